import { invalid } from './error.ts'
import type { Shape } from './resources.ts'

/** The selection of a `fields` parameter: everything, or the named fields with their inner selections. */
export type Selection = 'all' | ReadonlyMap<string, Selection>

/**
 * Parses a `fields` parameter such as `messages(id,payload/headers),nextPageToken`; throws a 400 for bad
 * syntax or an unknown field.
 */
export function readFields(text: string, shape: Shape): Selection {
  const tokens = text.match(/[(),/]|[^(),/\s]+/g) ?? []
  let at = 0

  const list = (shapes: readonly Shape[]): Selection => {
    const selected = new Map<string, Selection>()
    do {
      const [name, within] = path(shapes)
      selected.set(name, union(selected.get(name), within) ?? 'all')
    } while (accept(','))
    return selected
  }

  const path = (shapes: readonly Shape[]): [string, Selection] => {
    const name = tokens[at++]
    if (name === undefined || /^[(),/]$/.test(name)) throw refused(text)
    const inside = fieldsNamed(name, shapes)
    if (inside.length === 0) throw refused(name)
    const deeper = inside.filter(field => field !== true)
    if (accept('/')) return [name, new Map([path(deeper)])]
    if (!accept('(')) return [name, 'all']
    const within = list(deeper)
    if (!accept(')')) throw refused(text)
    return [name, within]
  }

  const accept = (token: string) => {
    if (tokens[at] !== token) return false
    at += 1
    return true
  }

  const selection = list([shape])
  if (at < tokens.length) throw refused(text)
  return selection
}

/** Returns the selected part of an answer; goes through lists, and adds no absent fields. */
export function selectFields(value: unknown, selection: Selection): unknown {
  if (selection === 'all') return value
  if (Array.isArray(value)) return value.map(item => selectFields(item, selection))
  if (!isObject(value)) return value
  const all = selection.get('*')
  const selected: [string, unknown][] = []
  for (const [name, field] of Object.entries(value)) {
    const within = union(selection.get(name), all)
    // `*` may have named a plain value without inner fields.
    if (within === undefined || (within !== 'all' && !isObject(field))) continue
    selected.push([name, selectFields(field, within)])
  }
  return Object.fromEntries(selected)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function fieldsNamed(name: string, shapes: readonly Shape[]): (Shape | true)[] {
  if (name === '*') return shapes.flatMap(shape => Object.values(shape))
  return shapes.flatMap(shape => (Object.hasOwn(shape, name) ? (shape[name] ?? []) : []))
}

function union(a: Selection | undefined, b: Selection | undefined): Selection | undefined {
  return a !== undefined && b !== undefined ? both(a, b) : (a ?? b)
}

function both(a: Selection, b: Selection): Selection {
  if (a === 'all' || b === 'all') return 'all'
  const names = [...a.keys(), ...b.keys()]
  return new Map(names.map(name => [name, union(a.get(name), b.get(name)) ?? 'all']))
}

function refused(what: string): Error {
  return invalid(`Invalid field selection ${what}`, 'fields')
}
