import type { HtmlToText } from '../body/html-text.ts'
import { MailError } from '../error.ts'
import type { Answer } from '../http/answer.ts'
import { acquirePermit, type Sending, spend } from '../http/sender.ts'
import { parseGraphBatch } from './batch.ts'
import type { GraphClient } from './client.ts'
import { errorOf, spentOn } from './errors.ts'

/**
 * Options for asking for several things at once. `batchSize` requests go in one batch, at most 20; with 1,
 * each goes alone, four at a time.
 */
export interface TogetherOptions {
  client: GraphClient
  batchSize: number
  now: () => number
  /** Whether the headers of messages are asked for. */
  headers?: boolean | undefined
  /** Converts HTML; present where whole texts are read. */
  htmlToText?: HtmlToText | undefined
}

/**
 * The number of requests of one batch that Graph runs concurrently
 * (learn.microsoft.com/graph/throttling-limits#outlook-service-limits).
 */
const AT_ONCE = 4
/** Graph's limit for one batch (learn.microsoft.com/graph/json-batching). */
const MAX_PER_BATCH = 20

const TOO_LARGE: Answer = { status: 413, body: undefined }

/** Whether an answer exceeded the size limit, so that asking for less may help. */
export function isTooLarge(answer: Answer | undefined): boolean {
  return answer === TOO_LARGE
}

/**
 * Asks for all urls in as few requests as possible, one batch after the other. The answers keep the order of
 * the urls. `undefined` marks an answer that is missing, in its batch or because a later batch failed; 429
 * marks a request that got no permit, and 413 one whose answer alone is too large (`isTooLarge`). Throws
 * errors that concern all of them.
 */
export async function askTogether(
  { client, batchSize, now }: TogetherOptions,
  urls: readonly string[],
  { prefer, ...sending }: Omit<Sending, 'units'> & { prefer: string },
): Promise<(Answer | undefined)[]> {
  const answers: (Answer | undefined)[] = []
  const askNext = batchSize === 1 ? askEach : askSome
  let most = batchSize === 1 ? AT_ONCE : Math.min(batchSize, MAX_PER_BATCH)
  while (answers.length < urls.length) {
    const some = urls.slice(answers.length, answers.length + most)
    try {
      answers.push(...(await askNext(some)))
    } catch (thrown) {
      if (thrown instanceof MailError && thrown.isTooLarge && !sending.call.signal.aborted) {
        if (some.length === 1) answers.push(TOO_LARGE)
        else most = Math.ceil(some.length / 2)
        continue
      }
      if (answers.length === 0 || !(thrown instanceof MailError) || sending.call.signal.aborted) throw thrown
      const refused = refusedIn(thrown)
      return [...answers, ...urls.slice(answers.length).map(() => refused)]
    }
  }
  return answers

  // Sends each request separately.
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

  // Sends as many from the front as the quota allows.
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

/**
 * Asks for an answer that is too large, without what its strings hold beyond so many bytes. The result is as in
 * `askTogether`. Throws errors that concern the whole mailbox.
 */
export async function askSparingly(
  { client }: TogetherOptions,
  { url, longestString }: { url: string; longestString: number },
  { prefer, ...sending }: Omit<Sending, 'units'> & { prefer: string },
): Promise<Answer | undefined> {
  try {
    return await client.ask({ ...sending, units: 1 }, { url, headers: { prefer }, longestString })
  } catch (thrown) {
    if (!(thrown instanceof MailError) || sending.call.signal.aborted) throw thrown
    return refusedIn(thrown)
  }
}

// Returns the answer each request would have had. Throttling is not their failure, and it names a wait.
function refusedIn(thrown: unknown): Answer | undefined {
  if (thrown instanceof MailError && thrown.isTooLarge) return TOO_LARGE
  if (!(thrown instanceof MailError) || thrown.kind !== 'throttled') return undefined
  const { retryAfterMs } = thrown
  return { status: 429, body: undefined, retryAfter: retryAfterMs === undefined ? undefined : `${retryAfterMs / 1000}` }
}

function answerIn(part: ReturnType<ReturnType<typeof parseGraphBatch>['get']>): Answer | undefined {
  if (!part) return undefined
  const header = Object.entries(part.headers).find(([name]) => name.toLowerCase() === 'retry-after')
  // The bearer token was valid for the batch, so a part's 401 for expiry says nothing about the account.
  if (part.status === 401) return undefined
  return { status: part.status, body: part.body, retryAfter: header?.[1] }
}
