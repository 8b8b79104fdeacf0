import type { z } from 'zod'

/** Reads what the control port was sent by its schema, nothing as an empty object; throws a 400 that names what is wrong. */
export function readBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const { data, error } = schema.safeParse(body ?? {})
  if (!error) return data
  const problems = error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`)
  throw Object.assign(new Error(problems.join('; ')), { statusCode: 400 })
}
