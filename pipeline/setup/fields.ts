import type { JsonSchema } from './schemas.ts'

/** The fields of a stream's entries: the path of each, such as `body.messages[].id`, with its type, ending in `?` where it may be absent. */
export type Fields = Record<string, string>

/** Lists the fields of a schema. Fields of alternatives are listed together, each after the format version that has it. */
export function fieldsOf(schema: JsonSchema): Fields {
  if (!schema.anyOf) return Object.fromEntries(under(schema, ''))
  return Object.fromEntries(schema.anyOf.flatMap(one => under(one as JsonSchema, `v${versionOf(one as JsonSchema)}:`)))
}

function versionOf({ properties }: JsonSchema): string {
  return typeOf((properties?.v ?? {}) as JsonSchema)
}

function under(schema: JsonSchema, path: string): [string, string][] {
  const { properties = {}, required = [], items } = schema
  const own = Object.entries(properties).flatMap(([name, value]): [string, string][] => {
    const field = value as JsonSchema
    const at = path === '' || path.endsWith(':') ? `${path}${name}` : `${path}.${name}`
    return [[at, `${typeOf(field)}${required.includes(name) ? '' : '?'}`], ...under(field, at)]
  })
  return items ? [...own, ...under(items as JsonSchema, `${path}[]`)] : own
}

function typeOf(schema: JsonSchema): string {
  const { type = 'any', items, enum: values, const: value } = schema
  if (value !== undefined) return JSON.stringify(value)
  if (values) return values.map(one => JSON.stringify(one)).join(' | ')
  return items ? `array of ${typeOf(items as JsonSchema)}` : String(type)
}

/**
 * Returns what in `now` breaks programs that know the fields `before`, each as a sentence: a field that is gone, is of another type, lost a
 * value, may be absent now or must be present now, and a new field that must be present. New optional fields and new values break nothing.
 */
export function breaksOf(before: Fields, now: Fields): string[] {
  const old = Object.entries(before).flatMap(([path, was]) => {
    const is = now[path]
    if (is === undefined) return [`${path} (${was}) is gone`]
    if (isOptional(was) !== isOptional(is))
      return [`${path} ${isOptional(is) ? 'may be absent now' : 'is required now'}`]
    return isWider(was, is) ? [] : [`${path} was ${was}, and is ${is}`]
  })
  const added = Object.entries(now).filter(([path, is]) => !(path in before) && !isOptional(is) && !isBelowNew(path))
  return [...old, ...added.map(([path]) => `${path} is new and required`)]

  // What a new optional field must hold breaks nothing.
  function isBelowNew(path: string): boolean {
    return Object.entries(now).some(
      ([one, is]) => !(one in before) && isOptional(is) && (path.startsWith(`${one}.`) || path.startsWith(`${one}[`)),
    )
  }
}

function isOptional(type: string): boolean {
  return type.endsWith('?')
}

function isWider(was: string, is: string): boolean {
  const [old, values] = [was, is].map(type => type.replace(/\?$/, '').split(' | '))
  return was === is || (was.includes('"') && (old ?? []).every(one => values?.includes(one)))
}
