import { z } from 'zod'
import { MOST_PART_BYTES } from '../body/read-body.ts'
import { MailError } from '../error.ts'
import type { Answer } from '../http/answer.ts'
import { acquirePermit, spend } from '../http/sender.ts'
import type { Call } from '../mailbox.ts'
import type { MessageId } from '../message.ts'
import { encodeBatch, matchParts, parseBatch } from './batch.ts'
import { errorOf } from './errors.ts'
import { answerIn, json, type SendOptions } from './send.ts'
import { spentOn } from './spend.ts'

/** A text part that Gmail did not send with its message. */
export interface WantedPart {
  message: MessageId
  attachment: string
  size: number
}

/** The content of a part in base64url; `undefined` if Gmail no longer has it; an error if another attempt may bring it. */
export type PartContent = string | undefined | MailError

const MOST_BATCH_BYTES = 8 * MOST_PART_BYTES
const found = z.object({ data: z.string() })

/**
 * Fetches text parts, several in one batch. The results keep the order of the wanted parts. Never throws a MailError: it is the result of
 * each part that was not answered.
 */
export async function fetchTextParts(
  options: SendOptions,
  wanted: readonly WantedPart[],
  call: Call,
): Promise<PartContent[]> {
  const contents: PartContent[] = []
  while (contents.length < wanted.length) {
    const some = nextBatch(wanted.slice(contents.length), options.batchSize)
    try {
      contents.push(...(await fetchSome(options, some, call)))
    } catch (thrown) {
      if (!(thrown instanceof MailError)) throw thrown
      return [...contents, ...wanted.slice(contents.length).map(() => thrown)]
    }
  }
  return contents
}

function nextBatch(wanted: readonly WantedPart[], most: number): readonly WantedPart[] {
  let bytes = 0
  const end = wanted.findIndex(({ size }, place) => {
    bytes += size
    return place > 0 && (place >= most || bytes > MOST_BATCH_BYTES)
  })
  return end === -1 ? wanted : wanted.slice(0, end)
}

async function fetchSome(options: SendOptions, wanted: readonly WantedPart[], call: Call): Promise<PartContent[]> {
  const { client, costs, name, now } = options
  const doing = `attachments.get of ${wanted.length} text parts of ${name}`
  const units = wanted.map(() => costs.messageGet)
  const taken = await acquirePermit(call, units, doing)
  const some = wanted.slice(0, taken.count)
  const cost = taken.count * costs.messageGet
  const ids = some.map((_, place) => `m${place}`)
  const requests = some.map((one, place) => ({ contentId: ids[place] ?? '', path: pathOf(one) }))
  const send = async () => {
    const answer = await client.postBatch({ doing, call, kind: 'attachment', units: cost }, encodeBatch(requests))
    if (answer.status !== 200) throw errorOf({ ...answer, body: json(answer.body) }, doing, options)
    const { parts } = matchParts(ids, parseBatch(answer.contentType, answer.body))
    return ids.map(id => answerIn(parts.get(id)))
  }
  const answers = await spend(taken, cost, send, all =>
    spentOn(
      all.map(answer => ({ answer: answer ?? { status: 0, body: '' }, units: costs.messageGet })),
      now,
    ),
  )
  return answers.map((answer, place) => contentIn(options, answer, { doing, size: some[place]?.size ?? 0 }))
}

function contentIn(
  options: SendOptions,
  answer: Answer | undefined,
  { doing, size }: { doing: string; size: number },
): PartContent {
  const data = answer?.status === 200 ? found.safeParse(answer.body).data?.data : undefined
  // The size shows that it is the wanted part, where only order can match the answers.
  if (data !== undefined && Buffer.byteLength(data, 'base64url') === size) return data
  if (!answer || answer.status === 200) return new MailError('unavailable', `${doing}: the answer lacks one of them`)
  const error = errorOf(answer, doing, options)
  return error.kind === 'rejected' || error.kind === 'expired' ? undefined : error
}

function pathOf({ message, attachment }: WantedPart): string {
  const [id, part] = [message, attachment].map(encodeURIComponent)
  return `/gmail/v1/users/me/messages/${id}/attachments/${part}?fields=size,data`
}
