import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import type { Answer } from '../http/answer.ts'
import { isReceived } from '../mail/received.ts'
import type { Changes, Listed } from '../mailbox.ts'
import type { Message, MessageId } from '../message.ts'
import { type LabelFilter, leftOut } from '../provider/filter.ts'
import { isWhole, readMessage, readReadMark } from './message.ts'
import { readBody } from './read.ts'

/** One page of a folder's delta: its items, and the link to what follows or, at the end, to what will come later. */
export interface DeltaPage {
  items: readonly unknown[]
  next?: string | undefined
  later?: string | undefined
}

const pageSchema = z.object({
  value: z.array(z.unknown()).default([]),
  '@odata.nextLink': z.string().min(1).optional(),
  '@odata.deltaLink': z.string().min(1).optional(),
})
const named = z.object({ id: z.string().min(1) })
const removal = z.object({ id: z.string().min(1), '@removed': z.unknown() }).refine(item => item['@removed'] != null)

/** Reads a page of a delta (learn.microsoft.com/graph/delta-query-messages); throws where it is none. */
export function readDeltaPage(answer: Answer, doing: string): DeltaPage {
  const page = readBody(pageSchema, answer, doing)
  return { items: page.value, next: page['@odata.nextLink'], later: page['@odata.deltaLink'] }
}

/** What items amount to, each message told of once, and the ids of items that do not tell enough. */
export interface Reported extends Required<Pick<Changes, 'ids' | 'labels' | 'messages' | 'left'>> {
  incomplete: readonly MessageId[]
}

/** What a folder says of a message in the end; `incomplete` where that is not enough, or contradicts itself. */
type Word =
  | { says: 'whole'; message: Message }
  | { says: 'incomplete' }
  | { says: 'read' | 'unread' }
  | { says: 'left' }

/**
 * What delta items amount to, a list of them for each folder, in their order. The last word of a folder counts, and what left one folder
 * and is in another has only moved. That a message was read, or is to be read again, is a change of its labels. Where folders, or items that
 * came out of order, leave in doubt what holds, the message is `incomplete`.
 */
export function whatChanged(folders: readonly (readonly unknown[])[], filter: LabelFilter): Reported {
  const words = new Map<MessageId, Word>()
  for (const items of folders) {
    for (const [id, word] of lastWords(items)) {
      const other = words.get(id)
      words.set(id, other ? agreed(other, word) : word)
    }
  }
  const messages = [...words.values()].flatMap(word => (word.says === 'whole' ? [word.message] : []))
  const idsOf = (says: Word['says']) => [...words].flatMap(([id, word]) => (word.says === says ? [id] : []))
  return {
    ids: messages.map(message => listed(message, filter)),
    messages: messages.filter(({ labels }) => leftOut(labels, filter) === undefined),
    labels: [
      ...idsOf('read').map(id => ({ id, added: [], removed: ['UNREAD'] })),
      ...idsOf('unread').map(id => ({ id, added: ['UNREAD'], removed: [] })),
    ],
    left: idsOf('left'),
    incomplete: idsOf('incomplete'),
  }
}

function lastWords(items: readonly unknown[]): Map<MessageId, Word> {
  const words = new Map<MessageId, Word>()
  for (const item of items) {
    const id = named.safeParse(item).data?.id
    if (id === undefined) continue
    const before = words.get(id)
    // What is said again comes last.
    words.delete(id)
    words.set(id, wordOn(item, before))
  }
  return words
}

function wordOn(item: unknown, before: Word | undefined): Word {
  if (removal.safeParse(item).success) {
    // Nobody would look for a message that only this page has told of, if its removal should be the older word.
    return { says: before?.says === 'whole' || before?.says === 'incomplete' ? 'incomplete' : 'left' }
  }
  const message = isWhole(item) ? readMessage(item)?.message : undefined
  // One that does not say when it came may say so when it is asked for by itself.
  if (message && isReceived(message.date)) return { says: 'whole', message }
  const mark = readReadMark(item)
  if (!mark || before?.says === 'incomplete' || before?.says === 'left') return { says: 'incomplete' }
  if (before?.says === 'whole') return { says: 'whole', message: marked(before.message, mark.isRead) }
  return { says: mark.isRead ? 'read' : 'unread' }
}

// Folders are listed at different moments: nobody knows which of two words on a message that moved between them is the newer one.
function agreed(one: Word, other: Word): Word {
  if (one.says === 'left') return other
  if (other.says === 'left' || isDeepStrictEqual(one, other)) return one
  return { says: 'incomplete' }
}

/** Whether an item is of a message that was received before a moment (ms since 1970); one that does not say when is not. */
export function isOlder(item: unknown, ms: number): boolean {
  const message = readMessage(item)?.message
  return message !== undefined && message.date < ms
}

/** A message as a listing names it, and why it is left out, where it is. */
export function listed({ id, thread, labels }: Message, filter: LabelFilter): Listed {
  const filtered = leftOut(labels, filter)
  return { id, thread, ...(filtered === undefined ? {} : { filtered }) }
}

function marked(message: Message, isRead: boolean): Message {
  const others = message.labels.filter(label => label !== 'UNREAD')
  return { ...message, labels: isRead ? others : [...others, 'UNREAD'] }
}
