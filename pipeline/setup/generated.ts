import { stringify } from 'yaml'
import { STREAMS } from '../../shared/streams.ts'
import { asyncapi } from './asyncapi.ts'
import { type Fields, fieldsOf } from './fields.ts'
import { schemaOf } from './schemas.ts'

/** The file that remembers the fields of format version 1. */
export const FIELDS_FILE = 'schemas/fields/1.json'

/** Returns the fields of each stream's entries. */
export function fieldsOfStreams(): Record<string, Fields> {
  return Object.fromEntries(STREAMS.map(stream => [stream.name, fieldsOf(schemaOf(stream))]))
}

/**
 * Returns each generated file with its content, by its path from the project's folder. The remembered fields only grow: what is remembered
 * stays as it is, so that a change of it is noticed.
 */
export function generatedFiles(remembered: Record<string, Fields>): Map<string, string> {
  const before = new Map(Object.entries(remembered))
  const fields = Object.entries(fieldsOfStreams()).map(([name, now]) => [name, { ...now, ...before.get(name) }])
  return new Map([
    ...STREAMS.map((stream): [string, string] => [`schemas/${stream.name}.json`, json(schemaOf(stream))]),
    ['asyncapi.yaml', stringify(asyncapi(), { lineWidth: 120 })],
    [FIELDS_FILE, json({ ...remembered, ...Object.fromEntries(fields) })],
  ])
}

function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`
}
