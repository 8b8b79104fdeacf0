import { MailError } from '../error.ts'
import type { Answer } from '../http/answer.ts'
import { acquirePermit, spend } from '../http/permit.ts'
import type { Sending } from '../http/sender.ts'
import { parseGraphBatch } from './batch.ts'
import type { GraphClient } from './client.ts'
import { errorOf, spentOn } from './errors.ts'

/** How to ask for several things at once: as many as `batchSize` go in one batch, 20 at most; with 1 each goes alone, four at a time. */
export interface TogetherOptions {
  client: GraphClient
  batchSize: number
  now: () => number
}

/** What Graph has done of one batch at a time (learn.microsoft.com/graph/throttling-limits#outlook-service-limits). */
const AT_ONCE = 4
/** learn.microsoft.com/graph/json-batching */
const MOST_A_BATCH = 20

/**
 * Asks for all urls, with as few requests as may be, one batch after the other. The answers are in their order; `undefined` is what an answer
 * does not mention, or what got none after others had theirs, and 429 what was refused a turn. Throws what is said of all of them.
 */
export async function askTogether(
  { client, batchSize, now }: TogetherOptions,
  urls: readonly string[],
  { prefer, ...sending }: Omit<Sending, 'units'> & { prefer: string },
): Promise<(Answer | undefined)[]> {
  const answers: (Answer | undefined)[] = []
  const askNext = batchSize === 1 ? askEach : askSome
  while (answers.length < urls.length) {
    try {
      const most = batchSize === 1 ? AT_ONCE : Math.min(batchSize, MOST_A_BATCH)
      answers.push(...(await askNext(urls.slice(answers.length, answers.length + most))))
    } catch (thrown) {
      if (answers.length === 0 || !(thrown instanceof MailError) || sending.call.signal.aborted) throw thrown
      const refused = refusedIn(thrown)
      return [...answers, ...urls.slice(answers.length).map(() => refused)]
    }
  }
  return answers

  // All of them, each by itself.
  async function askEach(some: readonly string[]): Promise<(Answer | undefined)[]> {
    const settled = await Promise.allSettled(some.map(askOne))
    const refusals = settled.flatMap(one => (one.status === 'rejected' ? [one.reason as unknown] : []))
    const [first] = refusals
    const isForeign = refusals.some(reason => !(reason instanceof MailError))
    if (first && (refusals.length === some.length || isForeign || sending.call.signal.aborted)) throw first
    return settled.map(one => (one.status === 'fulfilled' ? one.value : refusedIn(one.reason)))
  }

  function askOne(url: string): Promise<Answer> {
    return client.ask({ ...sending, units: 1 }, { url, headers: { prefer } })
  }

  // Those at the front that may go now.
  async function askSome(some: readonly string[]): Promise<(Answer | undefined)[]> {
    const [first = ''] = some
    const paths = some.map(client.pathOf)
    const alone = paths.indexOf(undefined)
    const together = paths.slice(0, alone < 0 ? paths.length : alone).flatMap(path => path ?? [])
    if (together.length < 2) {
      return [await askOne(first)]
    }
    const { call, doing } = sending
    const taken = await acquirePermit(
      call,
      together.map(() => 1),
      doing,
      AT_ONCE,
    )
    return taken.count < 2
      ? [await spend(taken, 1, () => client.send({ ...sending, units: 1 }, { url: first, headers: { prefer } }), judge)]
      : post(taken, together.slice(0, taken.count))
  }

  async function post(taken: Awaited<ReturnType<typeof acquirePermit>>, paths: readonly string[]) {
    const requests = paths.map((url, place) => ({ id: `${place}`, method: 'GET', url, headers: { Prefer: prefer } }))
    const send = async () => {
      const units = paths.length
      const outer = await client.send({ ...sending, units }, { method: 'POST', url: '/$batch', body: { requests } })
      const parts = outer.status === 200 ? parseGraphBatch(outer.body) : undefined
      return { outer, answers: parts && paths.map((_, place) => answerIn(parts.get(`${place}`))) }
    }
    const { outer, answers } = await spend(taken, paths.length, send, reported => ({
      ...spentOn(reported.answers?.flatMap(answer => answer ?? []) ?? [reported.outer], now),
      units: paths.length,
    }))
    if (!answers) throw errorOf(outer, sending.doing, { now })
    return answers
  }

  function judge(answer: Answer) {
    return spentOn([answer], now)
  }
}

// What each would have been answered: to be asked to slow down is no failure of theirs, and says for how long.
function refusedIn(thrown: unknown): Answer | undefined {
  if (!(thrown instanceof MailError) || thrown.kind !== 'throttled') return undefined
  const { retryAfterMs } = thrown
  return { status: 429, body: undefined, retryAfter: retryAfterMs === undefined ? undefined : `${retryAfterMs / 1000}` }
}

function answerIn(part: ReturnType<ReturnType<typeof parseGraphBatch>['get']>): Answer | undefined {
  if (!part) return undefined
  const header = Object.entries(part.headers).find(([name]) => name.toLowerCase() === 'retry-after')
  // The bearer was good for the batch: that a part finds it too old says nothing of the account.
  if (part.status === 401) return undefined
  return { status: part.status, body: part.body, retryAfter: header?.[1] }
}
