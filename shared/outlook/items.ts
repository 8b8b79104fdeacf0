import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import type { Answer } from '../http/answer.ts'
import { isReceived } from '../mail/read-message.ts'
import type { Changes, Listed } from '../mailbox.ts'
import type { Message, MessageId } from '../message.ts'
import { type LabelFilter, leftOut } from '../provider/filter.ts'
import { isWhole, readMessage, readReadMark } from './message.ts'
import { readBody } from './read.ts'

/**
 * One page of a folder's delta: its items, and the link to the next page or, at the end, to later changes.
 */
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

/** Reads a page of a delta (learn.microsoft.com/graph/delta-query-messages); throws if it is not one. */
export function readDeltaPage(answer: Answer, doing: string): DeltaPage {
  const page = readBody(pageSchema, answer, doing)
  return { items: page.value, next: page['@odata.nextLink'], later: page['@odata.deltaLink'] }
}

/** The net changes of items, each message reported once, and the ids of items that say too little. */
export interface Reported extends Required<Pick<Changes, 'ids' | 'labels' | 'messages' | 'left'>> {
  incomplete: readonly MessageId[]
}

/** A folder's final report on a message; `incomplete` if it says too little or contradicts itself. */
type FolderReport =
  | { kind: 'complete'; message: Message; item?: unknown }
  | { kind: 'incomplete' }
  | { kind: 'read' | 'unread' }
  | { kind: 'left' }

/**
 * Summarizes delta items, one list a folder, in order. The last report of a folder counts. A message that
 * left one folder and is in another has only moved. A change of the read mark is a change of labels. If
 * folders or out-of-order items contradict each other, the message is `incomplete`. If texts are read, `items`
 * receives the item of each message that has one.
 */
export function summarizeItems(
  folders: readonly (readonly unknown[])[],
  filter: LabelFilter,
  items?: Map<Message, unknown>,
): Reported {
  const reports = new Map<MessageId, FolderReport>()
  for (const folder of folders) {
    for (const [id, report] of lastReports(folder, items !== undefined)) {
      const other = reports.get(id)
      reports.set(id, other ? reconcile(other, report) : report)
    }
  }
  const messages = [...reports.values()].flatMap(report => {
    if (report.kind !== 'complete') return []
    items?.set(report.message, report.item)
    return [report.message]
  })
  const idsOf = (kind: FolderReport['kind']) =>
    [...reports].flatMap(([id, report]) => (report.kind === kind ? [id] : []))
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

function lastReports(items: readonly unknown[], texts: boolean): Map<MessageId, FolderReport> {
  const reports = new Map<MessageId, FolderReport>()
  for (const item of items) {
    const id = named.safeParse(item).data?.id
    if (id === undefined) continue
    const before = reports.get(id)
    // A repeated item moves to the end.
    reports.delete(id)
    reports.set(id, reportOf(item, before, texts))
  }
  return reports
}

function reportOf(item: unknown, before: FolderReport | undefined, texts: boolean): FolderReport {
  if (removal.safeParse(item).success) {
    // If the removal is the older report, nobody else would look for a message that only this page reports.
    return { kind: before?.kind === 'complete' || before?.kind === 'incomplete' ? 'incomplete' : 'left' }
  }
  const message = isWhole(item, texts) ? readMessage(item)?.message : undefined
  // A message without a date may have one when it is fetched individually.
  if (message && isReceived(message.date)) return { kind: 'complete', message, item }
  const mark = readReadMark(item)
  if (!mark || before?.kind === 'incomplete' || before?.kind === 'left') return { kind: 'incomplete' }
  if (before?.kind === 'complete') return { ...before, message: withReadMark(before.message, mark.isRead) }
  return { kind: mark.isRead ? 'read' : 'unread' }
}

// Folders are listed at different moments, so nobody knows which of two reports on a moved message is newer.
function reconcile(one: FolderReport, other: FolderReport): FolderReport {
  if (one.kind === 'left') return other
  if (other.kind === 'left' || isSame(one, other)) return one
  return { kind: 'incomplete' }
}

// The item of a message differs from folder to folder, and only its message matters.
function isSame(one: FolderReport, other: FolderReport): boolean {
  if (one.kind === 'complete' && other.kind === 'complete') return isDeepStrictEqual(one.message, other.message)
  return isDeepStrictEqual(one, other)
}

/** Whether an item's message was received before a moment (ms since 1970); false if it has no date. */
export function isOlder(item: unknown, ms: number): boolean {
  const message = readMessage(item)?.message
  return message !== undefined && message.date < ms
}

/** Returns a message as a listing names it, with the reason if it is left out. */
export function listed({ id, thread, labels }: Message, filter: LabelFilter): Listed {
  const filtered = leftOut(labels, filter)
  return { id, thread, ...(filtered === undefined ? {} : { filtered }) }
}

function withReadMark(message: Message, isRead: boolean): Message {
  const others = message.labels.filter(label => label !== 'UNREAD')
  return { ...message, labels: isRead ? others : [...others, 'UNREAD'] }
}
