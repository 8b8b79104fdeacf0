import { ownOf } from '../own.ts'

const TYPES = ['string', 'number', 'integer', 'boolean', 'null', 'object', 'array']
const KNOWN = ['type', 'description', 'title', 'properties', 'required', 'additionalProperties', 'items', 'enum']
const NAMES: Readonly<Record<string, string>> = {
  anyOf:
    'write a type that may be null as {"type": ["string", "null"]}, and alternatives as fields of their own that may be null',
  oneOf: 'write alternatives as fields of their own that may be null',
  allOf: 'write all fields into one object',
  $ref: 'write the definition where it is used',
  $defs: 'write each definition where it is used',
  const: 'use an enum with one value',
  nullable: 'use a list of types such as ["string", "null"]',
  default: 'remove it, because every field is required',
  format: 'say it in the description',
  pattern: 'say it in the description',
}
const LIMIT = /^(?:min|max|exclusive|multipleOf|unique|contains)/
const MOST_LEVELS = 5
const MOST_FIELDS = 100
// They say something about the schema as a whole, and nothing about answers.
const AT_ROOT = ['$schema', '$id', '$comment']

/**
 * Returns what a JSON schema has beyond the subset that compatible hosts enforce, where, and how to mend it; `undefined` if it has nothing.
 * In that subset the answer is an object, all fields are required, a field may be null, no object has other fields, and nothing limits
 * lengths or numbers.
 */
export function faultOfSchema(schema: unknown): string | undefined {
  if (!isRecord(schema)) return 'is no JSON object: write a JSON schema such as {"type": "object", …}'
  if (schema.type !== 'object')
    return 'has no "type": "object": the answer is always an object, so put other values into a field of it'
  const root = Object.fromEntries(Object.entries(schema).filter(([name]) => !AT_ROOT.includes(name)))
  const counted = { fields: 0 }
  const fault = faultAt(root, { path: '', level: 1, counted })
  if (fault !== undefined) return fault
  return counted.fields > MOST_FIELDS
    ? `has ${counted.fields} fields, and hosts accept ${MOST_FIELDS}: remove some, or ask for them in a second prompt`
    : undefined
}

interface Place {
  path: string
  level: number
  counted: { fields: number }
}

function faultAt(schema: unknown, place: Place): string | undefined {
  const at = place.path === '' ? 'at the top' : `at ${place.path}`
  if (!isRecord(schema)) return `has no schema ${at}: write an object such as {"type": "string"}`
  const unknown = Object.keys(schema).find(name => !KNOWN.includes(name))
  if (unknown !== undefined) return `has "${unknown}" ${at}: ${remedyFor(unknown)}`
  const types = typesOf(schema.type)
  if (types === undefined)
    return `has no known type ${at}: use one of ${TYPES.join(', ')}, or a list of one of them and "null"`
  const values = schema.enum
  if (values !== undefined && !isEnum(values, types))
    return `has an enum ${at} whose values do not fit its type: list at least one text, number, boolean or null of that type`
  if (types.includes('array')) return faultAt(schema.items, { ...place, path: `${place.path}[]` })
  return types.includes('object') ? faultOfObject(schema, place, at) : undefined
}

function faultOfObject(schema: Record<string, unknown>, place: Place, at: string): string | undefined {
  const { properties, required, additionalProperties } = schema
  if (place.level > MOST_LEVELS) return `has more than ${MOST_LEVELS} objects inside one another ${at}: make it flatter`
  if (!isRecord(properties) || Object.keys(properties).length === 0) return `has no properties ${at}: list its fields`
  if (additionalProperties !== false) return `lacks "additionalProperties": false ${at}: add it`
  const names = Object.keys(properties)
  place.counted.fields += names.length
  const listed: unknown[] = Array.isArray(required) ? required : []
  const optional = names.find(name => !listed.includes(name))
  if (optional !== undefined)
    return `does not require "${optional}" ${at}: add it to "required", and let its type be null where it may be absent`
  const missing = listed.find(name => typeof name !== 'string' || !names.includes(name))
  if (missing !== undefined) return `requires ${JSON.stringify(missing)} ${at}, which is no property: remove it`
  for (const [name, field] of Object.entries(properties)) {
    const path = place.path === '' ? name : `${place.path}.${name}`
    const fault = faultAt(field, { ...place, path, level: place.level + 1 })
    if (fault !== undefined) return fault
  }
  return undefined
}

function remedyFor(name: string): string {
  if (LIMIT.test(name)) return 'hosts do not enforce limits, so say it in the description'
  return ownOf(NAMES, name) ?? 'remove it, because hosts refuse or ignore it'
}

function typesOf(type: unknown): readonly string[] | undefined {
  const types: unknown[] = Array.isArray(type) ? type : [type]
  const known = types.filter(one => typeof one === 'string' && TYPES.includes(one)) as string[]
  const plain = known.filter(one => one !== 'null')
  const isKnown = known.length === types.length && new Set(known).size === known.length
  return isKnown && (plain.length === 1 || (plain.length === 0 && known.length === 1)) ? known : undefined
}

function isEnum(values: unknown, types: readonly string[]): boolean {
  if (!Array.isArray(values) || values.length === 0) return false
  return values.every(value => {
    if (value === null) return types.includes('null')
    if (typeof value === 'number')
      return types.includes('number') || (types.includes('integer') && Number.isInteger(value))
    return (typeof value === 'string' || typeof value === 'boolean') && types.includes(typeof value)
  })
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
