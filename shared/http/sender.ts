import { z } from 'zod'
import { MailError } from '../error.ts'
import { MACHINE, type Machine, type Timer } from '../machine.ts'
import type { Call, CallKind } from '../mailbox.ts'
import type { Spent } from '../provider/quota.ts'
import type { AccessTokens } from '../provider/tokens.ts'
import { isTooLarge } from './exchange.ts'

/** A permit to send the first `count` of some requests; settled with their result. */
export interface Taken {
  count: number
  settle(spent: Spent): Promise<void>
}

/**
 * Reserves quota for as many of these requests as may be sent together, in order. `units` is the cost of each, and `atOnce` how many the
 * provider runs in parallel, all by default. Never waits: throws `throttled` with a retry time where the quota is spent, so that other
 * mailboxes proceed meanwhile.
 */
export async function acquirePermit(
  { quota }: Call,
  units: readonly number[],
  doing: string,
  atOnce = units.length,
): Promise<Taken> {
  if (!quota) return { count: units.length, settle: async () => undefined }
  for (let count = units.length; ; ) {
    const cost = units.slice(0, count).reduce((sum, one) => sum + one, 0)
    const answer = await quota.reserve({ units: cost, requests: Math.min(count, atOnce) })
    if (answer.permit === 'go') return { count, settle: answer.settle }
    if (answer.permit === 'wait') {
      throw new MailError('throttled', `${doing}: the quota is spent for now`, { retryAfterMs: answer.waitMs })
    }
    count = Math.max(1, Math.min(count - 1, answer.most))
  }
}

/** Sends the permitted requests and settles the permit with the result; without an answer everything counts as spent. */
export async function spend<T>(taken: Taken, units: number, send: () => Promise<T>, judge: (answer: T) => Spent) {
  let spent: Spent = { units }
  try {
    const answer = await send()
    spent = judge(answer)
    return answer
  } finally {
    // The answer must not wait for the quota. An unsettled permit expires automatically.
    void taken.settle(spent).catch(() => undefined)
  }
}

/** One HTTP request: its description for messages, its call, and what the call's meter records when it is sent. */
export interface Sending {
  doing: string
  call: Call
  kind: CallKind
  units: number
}

/** Sends one request for a mailbox's owner, without retries; returns answers of any status as they are. */
export type Send = <T extends { status: number }>(
  sending: Sending,
  request: (authorization: string, signal: AbortSignal) => Promise<T>,
) => Promise<T>

interface SenderOptions {
  /** The answering provider, for messages. */
  provider: string
  tokens: AccessTokens
  /** The longest wait for one answer. */
  timeoutMs: number
  machine?: Pick<Machine, 'after'>
}

/**
 * Creates a sender that uses one mailbox's bearer and meters every request when it is sent. Throws `unavailable` without an answer, and for
 * a 401 that another token may fix. Errors of the token source are passed on unchanged.
 */
export function createSender({ provider, tokens, timeoutMs, machine = MACHINE }: SenderOptions): Send {
  return (sending, request) => {
    const { doing, call, kind, units } = sending
    return withinTime({ doing, signal: call.signal }, { timeoutMs, provider, machine }, async signal => {
      const token = await tokens.get(doing, signal)
      // An aborted caller must not send, even if others still wait for the same token.
      signal.throwIfAborted()
      call.meter(kind, units)
      const answer = await request(`Bearer ${token}`, signal).catch(thrown => {
        throw networkError(thrown, doing, provider)
      })
      if (answer.status === 401 && (await tokens.refused(token))) {
        throw new MailError('unavailable', `${doing}: the access token is no longer valid; requesting another`, {
          blames: 'token',
        })
      }
      return answer
    })
  }
}

/** Converts the error of a call without an answer (connection faults, timeouts, aborts) to `unavailable`, with only the system's code. */
export function networkError(thrown: unknown, doing: string, provider: string): MailError {
  if (thrown instanceof MailError) return thrown
  // The thrown error is not attached as a cause: HTTP clients keep the request in it, with its bearer.
  if (isTooLarge(thrown))
    return new MailError('unavailable', `${doing}: the answer of ${provider} exceeds the size limit`, {
      isTooLarge: true,
    })
  const code = codeOf(thrown)
  return new MailError('unavailable', `${doing}: no answer from ${provider}${code ? ` (${code})` : ''}`)
}

/**
 * Runs the work of one request until it ends, the caller aborts, or the time is over; then its signal is aborted, and `unavailable` is
 * thrown, even if the work goes on.
 */
export async function withinTime<T>(
  { doing, signal }: { doing: string; signal: AbortSignal },
  { timeoutMs, provider, machine }: { timeoutMs: number; provider: string; machine: Pick<Machine, 'after'> },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (signal.aborted) throw new MailError('unavailable', `${doing}: aborted before it was sent`)
  // AbortSignal.any is no alternative: in Node 20, a signal that lives as long as the process keeps every signal derived from it.
  const controller = new AbortController()
  let onAbort = () => {}
  let timer: Timer | undefined
  const ended = new Promise<never>((_, reject) => {
    const end = (why: string) => {
      reject(new MailError('unavailable', `${doing}: ${why}`))
      controller.abort()
    }
    onAbort = () => end('aborted before an answer came')
    signal.addEventListener('abort', onAbort)
    timer = machine.after(timeoutMs, () => end(`no answer from ${provider} within ${timeoutMs} ms`))
  })
  try {
    return await Promise.race([work(controller.signal), ended])
  } finally {
    timer?.cancel()
    signal.removeEventListener('abort', onAbort)
  }
}

const codedSchema = z.object({ code: z.string().regex(/^[A-Z][A-Za-z_0-9]+$/) })
const causedSchema = z.object({ cause: codedSchema })

function codeOf(thrown: unknown): string | undefined {
  const found = causedSchema.safeParse(thrown).data?.cause ?? codedSchema.safeParse(thrown).data
  return found?.code
}
