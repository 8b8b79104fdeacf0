import { z } from 'zod'
import { envelopeSchema, LANES } from '../../shared/envelope.ts'
import type { Stream } from '../../shared/streams.ts'

/** A JSON Schema of draft 2020-12. */
export type JsonSchema = z.core.JSONSchema.JSONSchema

/** Returns the JSON Schema of a stream's entries: of the JSON in the field `envelope`, in every format that may lie in the stream. */
export function schemaOf({ name, body, sliced }: Stream): JsonSchema {
  const one = envelopeSchema.extend({ v: z.literal(1), mailbox: z.string().regex(/:/), lane: z.enum(LANES), body })
  const entry = sliced && body instanceof z.ZodObject ? z.union([one.extend(sliceOf(body)), one]) : one
  const schema = z.toJSONSchema(entry, { io: 'input', override: ({ jsonSchema }) => withoutSafeBounds(jsonSchema) })
  const { $schema, ...rest } = schema
  return { ...($schema ? { $schema } : {}), $id: `mailsluice:${name}`, title: `An entry of ${name}`, ...rest }
}

// The ids of a slice share their window, which stands beside them once.
function sliceOf(body: z.ZodObject) {
  const ids = z.array(body.omit({ window: true, of: true }))
  return { v: z.literal(2), body: z.object({ window: z.string(), of: z.number().int(), ids }) }
}

// Each integer of JavaScript has these bounds, which say nothing about the field.
function withoutSafeBounds(schema: JsonSchema): void {
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum
}
