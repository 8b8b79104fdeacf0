import { setImmediate } from 'node:timers/promises'
import type { Leaf, Walked } from '../body/parts.ts'
import { MOST_PART_BYTES, readText } from '../body/read-body.ts'
import { MailError } from '../error.ts'
import type { Call, Fetched } from '../mailbox.ts'
import type { Body, Message } from '../message.ts'
import { walkPayload } from './content.ts'
import { failure } from './outcome.ts'
import type { Request } from './plan.ts'
import { type SendOptions, type SendResult, sendTogether } from './send.ts'
import { fetchTextParts, type PartContent } from './text-parts.ts'

/** The payloads of messages, as far as answers brought them. */
type Payloads = ReadonlyMap<Message, unknown>

const LARGE_BYTES = 100_000
const MANY_PIECES = 100
const NOT_SENT: Body = { text: '', kind: 'none', isPart: true, note: 'too large' }

/**
 * Sends requests as `sendTogether` does, and reads the texts of the messages where texts are wanted. Text parts that Gmail did not send
 * along are fetched, if they are not too large. A message whose text part may still come is marked failed.
 */
export async function sendWithBodies(
  options: SendOptions,
  requests: readonly Request[],
  call: Call,
): Promise<SendResult> {
  if (!options.texts) return sendTogether(options, requests, call)
  const payloads = new Map<Message, unknown>()
  const onPayload = (message: Message, payload: unknown) => void payloads.set(message, payload)
  return addBodies(options, await sendTogether({ ...options, onPayload }, requests, call), payloads, call)
}

async function addBodies(
  options: SendOptions,
  { outcomes, extra }: SendResult,
  payloads: Payloads,
  call: Call,
): Promise<SendResult> {
  const messages = [...[...outcomes.values()].flatMap(one => (one.outcome === 'ok' ? [one.message] : [])), ...extra]
  const walked = await walkAll(messages, payloads)
  const contents = await missingContents(options, walked, call)
  const complete = new Map<Message, Fetched>()
  const reading: Promise<unknown>[] = []
  for (const message of messages) {
    // A process reads the texts of many mailboxes, and does other work besides.
    if (isLarge(walked.get(message))) await setImmediate()
    const read = withBody(options, message, walked.get(message), contents).then(one => void complete.set(message, one))
    // A rejection is thrown below, once all reading has begun.
    read.catch(() => undefined)
    reading.push(read)
  }
  // Pages that are requested together are converted together.
  await Promise.all(reading)
  const of = (message: Message): Fetched => complete.get(message) ?? { outcome: 'ok', message }
  return {
    outcomes: new Map([...outcomes].map(([id, one]) => [id, one.outcome === 'ok' ? of(one.message) : one])),
    extra: extra.flatMap(message => {
      const one = of(message)
      return one.outcome === 'ok' ? [one.message] : []
    }),
  }
}

async function missingContents(
  options: SendOptions,
  walked: ReadonlyMap<Message, Walked>,
  call: Call,
): Promise<ReadonlyMap<Leaf, PartContent>> {
  const wanted = [...walked].flatMap(([{ id }, parts]) =>
    wantedLeaves(parts).map(leaf => ({ leaf, message: id, attachment: leaf.contentId ?? '', size: leaf.size })),
  )
  const found = wanted.length > 0 ? await fetchTextParts(options, wanted, call) : []
  return new Map(wanted.map(({ leaf }, place) => [leaf, found[place]]))
}

async function walkAll(messages: readonly Message[], payloads: Payloads): Promise<ReadonlyMap<Message, Walked>> {
  const all = new Map<Message, Walked>()
  for (const message of messages) {
    if (!payloads.has(message)) continue
    const walked = walkPayload(payloads.get(message))
    all.set(message, walked)
    if (walked.pieces.length > MANY_PIECES) await setImmediate()
  }
  return all
}

function isLarge(walked: Walked | undefined): boolean {
  const leaves = (walked?.pieces ?? []).flatMap(({ plain, html }) => [...plain, ...html])
  return leaves.length > MANY_PIECES || leaves.reduce((sum, { size }) => sum + size, 0) > LARGE_BYTES
}

// One form of each text is enough, the page if it can be had, and one invitation.
function wantedLeaves({ pieces, calendars }: Walked): Leaf[] {
  const isMissing = ({ content }: Leaf) => content === undefined
  const isServed = ({ contentId, size }: Leaf) => contentId !== undefined && size <= MOST_PART_BYTES
  const leaves = pieces.flatMap(({ plain, html }) => {
    const isPage = html.length > 0 && html.every(leaf => !isMissing(leaf) || isServed(leaf))
    return isPage ? html : plain
  })
  return [...leaves, ...calendars.slice(0, 1)].filter(leaf => isMissing(leaf) && isServed(leaf))
}

async function withBody(
  { texts }: SendOptions,
  message: Message,
  walked: Walked | undefined,
  contents: ReadonlyMap<Leaf, PartContent>,
): Promise<Fetched> {
  if (!texts) return { outcome: 'ok', message }
  if (!walked) return { outcome: 'ok', message: { ...message, body: NOT_SENT } }
  const all = [...walked.pieces.flatMap(({ plain, html }) => [...plain, ...html]), ...walked.calendars]
  const error = all.map(leaf => contents.get(leaf)).find(content => content instanceof MailError)
  if (error) return failure(error)
  const filled = (leaf: Leaf): Leaf => {
    const content = contents.get(leaf)
    return typeof content === 'string' ? { ...leaf, content } : leaf
  }
  const pieces = walked.pieces.map(({ plain, html }) => ({ plain: plain.map(filled), html: html.map(filled) }))
  const { body, calendars } = await readText({ ...walked, pieces, calendars: walked.calendars.map(filled) }, texts)
  const { attachments, moreAttachments } = walked
  const invites = calendars.length > 0 ? ((await texts.readInvites?.(calendars)) ?? []) : []
  return {
    outcome: 'ok',
    message: {
      ...message,
      body,
      ...(attachments.length > 0 ? { attachments: [...attachments] } : {}),
      ...(moreAttachments > 0 ? { more: { ...message.more, attachments: moreAttachments } } : {}),
      ...(invites.length > 0 ? { invites } : {}),
    },
  }
}
