import type { Http } from '../http/exchange.ts'
import { retryAfterIn } from '../http/retry-after.ts'
import { networkError, withinTime } from '../http/sender.ts'
import type { Machine } from '../machine.ts'

/** The status and the headers of an answer, with the beginning of its text. */
export interface Reply {
  status: number
  retryAfter: string | undefined
  location: string | undefined
  text: string
}

interface Post {
  url: URL
  headers: Readonly<Record<string, string>>
  body: string
  /** For messages: what is being sent where. */
  doing: string
  signal: AbortSignal
  timeoutMs: number
}

const MOST_BYTES = 64 << 10

/**
 * Posts a body and returns the answer of any status; a redirect is not followed. At most 64 KiB of its text are read, and only until
 * `timeoutMs` after the start; then the connection is closed. Throws `unavailable` where no status came in time, without the address.
 */
export async function post(
  { url, headers, body, doing, signal, timeoutMs }: Post,
  { http, machine }: { http: Pick<Http, 'exchange'>; machine: Pick<Machine, 'after'> },
): Promise<Reply> {
  const got: { reply?: Reply } = {}
  const limits = { timeoutMs, provider: 'the receiver', machine }
  const done = withinTime({ doing, signal }, limits, async inner => {
    const answer = await http.exchange(url, { method: 'POST', headers, body, signal: inner })
    const location = answer.headers.get('location') ?? undefined
    const reply: Reply = { status: answer.status, retryAfter: retryAfterIn(answer.headers), location, text: '' }
    got.reply = reply
    reply.text = await beginningOf(answer.body)
  })
  const failure: unknown = await done.catch(thrown => thrown)
  // The status decides, even if its text never ends.
  if (got.reply) return { ...got.reply }
  throw networkError(failure, doing, 'the receiver')
}

async function beginningOf(body: AsyncIterable<string | Buffer> | null): Promise<string> {
  const read: Buffer[] = []
  let bytes = 0
  for await (const chunk of body ?? []) {
    const next = Buffer.from(chunk)
    read.push(next)
    bytes += next.length
    // Leaving the loop closes the connection.
    if (bytes >= MOST_BYTES) break
  }
  return Buffer.concat(read).subarray(0, MOST_BYTES).toString()
}
