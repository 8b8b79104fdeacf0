import { z } from 'zod'
import { MailError } from '../error.ts'
import type { Call, CallKind } from '../mailbox.ts'
import type { AccessTokens } from '../provider/tokens.ts'
import { isTooLarge } from './exchange.ts'

/** One HTTP request to be sent: what it is, for messages; for which call; and what the call's meter is told when it is sent. */
export interface Sending {
  doing: string
  call: Call
  kind: CallKind
  units: number
}

/** Sends one request in the name of a mailbox's owner and retries nothing; answers of any status are given back as they are. */
export type Send = <T extends { status: number }>(
  sending: Sending,
  request: (authorization: string, signal: AbortSignal) => Promise<T>,
) => Promise<T>

interface SenderOptions {
  /** Who answers, for messages. */
  provider: string
  tokens: AccessTokens
  /** How long to wait for one answer. */
  timeoutMs: number
}

/**
 * The way to a provider with the bearer of one mailbox. Every request is metered when it is sent. Throws `unavailable` without an answer, what
 * the source of tokens throws, which is passed on as it is, and `unavailable` for a 401 that another token may mend.
 */
export function createSender({ provider, tokens, timeoutMs }: SenderOptions): Send {
  return (sending, request) => {
    const { doing, call, kind, units } = sending
    return within(sending, { timeoutMs, provider }, async signal => {
      const token = await tokens.get(doing, signal)
      // Who gave up while others still wait for the token must not send.
      signal.throwIfAborted()
      call.meter(kind, units)
      const answer = await request(`Bearer ${token}`, signal).catch(thrown => {
        throw networkError(thrown, doing, provider)
      })
      if (answer.status === 401 && (await tokens.refused(token))) {
        throw new MailError('unavailable', `${doing}: the access token is not good any more; another is asked for`, {
          blames: 'token',
        })
      }
      return answer
    })
  }
}

/** The MailError of a call that got no answer: connection faults, timeouts, aborts; `unavailable`, with the system's code alone. */
export function networkError(thrown: unknown, doing: string, provider: string): MailError {
  if (thrown instanceof MailError) return thrown
  // The thrown error is no cause: HTTP clients keep the request in it, and its bearer.
  if (isTooLarge(thrown))
    return new MailError('unavailable', `${doing}: the answer of ${provider} is too large to be read`)
  const code = codeOf(thrown)
  return new MailError('unavailable', `${doing}: no answer from ${provider}${code ? ` (${code})` : ''}`)
}

// Ends with the work, the caller's abort or the time limit, whichever is first. AbortSignal.any would do, but a signal that lives
// as long as the process holds on to every signal made from it in Node 20.
async function within<T>(
  { doing, call }: Sending,
  { timeoutMs, provider }: { timeoutMs: number; provider: string },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { signal } = call
  if (signal.aborted) throw new MailError('unavailable', `${doing}: given up before it was sent`)
  const controller = new AbortController()
  let giveUp = () => {}
  let timer: NodeJS.Timeout | undefined
  const ended = new Promise<never>((_, reject) => {
    const end = (why: string) => {
      reject(new MailError('unavailable', `${doing}: ${why}`))
      controller.abort()
    }
    giveUp = () => end('given up before an answer came')
    signal.addEventListener('abort', giveUp)
    timer = setTimeout(() => end(`no answer from ${provider} within ${timeoutMs} ms`), timeoutMs)
  })
  try {
    return await Promise.race([work(controller.signal), ended])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', giveUp)
  }
}

function codeOf(thrown: unknown): string | undefined {
  const coded = z.object({ code: z.string().regex(/^[A-Z][A-Za-z_0-9]+$/) })
  const held = z.object({ cause: coded }).safeParse(thrown).data?.cause ?? coded.safeParse(thrown).data
  return held?.code
}
