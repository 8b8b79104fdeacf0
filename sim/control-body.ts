import type { z } from 'zod'

/**
 * Reads a control request's body by its schema, with nothing as an empty object. Throws a 400 that names the
 * fault.
 */
export function readBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const { data, error } = schema.safeParse(body ?? {})
  if (!error) return data
  const problems = error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`)
  throw Object.assign(new Error(problems.join('; ')), { statusCode: 400 })
}
