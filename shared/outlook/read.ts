import type { z } from 'zod'
import { MailError } from '../error.ts'
import type { Answer } from '../http/answer.ts'

/**
 * Reads an answer's body. Throws `unavailable` if it was damaged in transit, and `unparsable`, naming the
 * place, if it holds something else.
 */
export function readBody<T>(schema: z.ZodType<T>, { body }: Answer, doing: string): T {
  if (typeof body !== 'object' || body === null) {
    throw new MailError('unavailable', `${doing}: Microsoft's answer is not JSON; it was damaged in transit`)
  }
  const result = schema.safeParse(body)
  if (result.success) return result.data
  const where = result.error.issues[0]?.path.join('.') || 'the answer'
  throw new MailError('unparsable', `${doing}: Microsoft's answer cannot be read (${where})`)
}
