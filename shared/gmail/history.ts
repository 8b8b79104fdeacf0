import { z } from 'zod'
import type { Changes, Gone, LabelChange, Listed } from '../mailbox.ts'
import { type LabelFilter, leftOut } from '../provider/filter.ts'

/**
 * The requested fields of a history record
 * (developers.google.com/gmail/api/reference/rest/v1/users.history/list).
 */
export const RECORD_FIELDS = [
  'messages(id,threadId)',
  'messagesAdded/message(id,threadId,labelIds)',
  'messagesDeleted/message(id,threadId)',
  'labelsAdded(labelIds,message(id,threadId,labelIds))',
  'labelsRemoved(labelIds,message(id,threadId,labelIds))',
].join(',')

const named = z.object({
  id: z.string().min(1),
  threadId: z.string().default(''),
  labelIds: z.array(z.string()).optional(),
})
const wrapped = z.object({ message: named })
const relabelled = z.object({ message: named, labelIds: z.array(z.string()).default([]) })

/** One record of a history page; it may name only the affected messages. */
export const historyRecord = z.object({
  messages: z.array(named).default([]),
  messagesAdded: z.array(wrapped).default([]),
  messagesDeleted: z.array(wrapped).default([]),
  labelsAdded: z.array(relabelled).default([]),
  labelsRemoved: z.array(relabelled).default([]),
})
type HistoryRecord = z.infer<typeof historyRecord>

/** The net changes to one message on a page. */
interface MessageChange {
  id: string
  thread: string
  added: boolean
  deleted: boolean
  /** The record only named the message. */
  bare: boolean
  /** All of its labels, if a record had them. */
  labels: readonly string[] | undefined
  /** The first and the last change of each label. */
  first: Map<string, 'added' | 'removed'>
  last: Map<string, 'added' | 'removed'>
}

/**
 * Summarizes a page of history. Each message is reported once, except a new message that was relabelled
 * later. For a message that was added and deleted, only the deletion counts. A label change that takes a
 * message out of the filter makes it gone; one that brings it in makes it new. A message is marked for
 * verification if only its id is known, or if unknown labels could decide.
 */
export function summarizeHistory(
  records: readonly HistoryRecord[],
  filter: LabelFilter,
): Pick<Changes, 'ids' | 'gone' | 'labels'> {
  const ids: Listed[] = []
  const gone: Gone[] = []
  const labels: LabelChange[] = []
  for (const change of changesByMessage(records)) {
    const verdict = verdictFor(change, filter)
    if (verdict === 'gone') gone.push({ id: change.id, ...(change.thread === '' ? {} : { thread: change.thread }) })
    else if (verdict === 'relabelled') labels.push(labelChange(change))
    else {
      const found = listed(change, filter)
      ids.push(found)
      // The cache may hold the message with old labels: a thread fetch can cache it before its page is listed.
      if (change.added && change.last.size > 0 && found.filtered === undefined) labels.push(labelChange(change))
    }
  }
  return { ids, gone, labels }
}

function changesByMessage(records: readonly HistoryRecord[]): Iterable<MessageChange> {
  const changed = new Map<string, MessageChange>()
  for (const { messages, messagesAdded, messagesDeleted, labelsAdded, labelsRemoved } of records) {
    for (const { message } of messagesAdded) Object.assign(changeOf(message), { added: true, labels: message.labelIds })
    for (const { message, labelIds } of labelsAdded) relabel(message, labelIds, 'added')
    for (const { message, labelIds } of labelsRemoved) relabel(message, labelIds, 'removed')
    for (const { message } of messagesDeleted) changeOf(message).deleted = true
    const typed = messagesAdded.length + messagesDeleted.length + labelsAdded.length + labelsRemoved.length
    if (typed === 0) for (const message of messages) changeOf(message).bare = true
  }
  return changed.values()

  function changeOf({ id, threadId }: z.infer<typeof named>): MessageChange {
    const reported = { added: false, deleted: false, bare: false, labels: undefined }
    const change = changed.get(id) ?? { id, thread: threadId, ...reported, first: new Map(), last: new Map() }
    changed.set(id, change)
    return change
  }

  function relabel(message: z.infer<typeof named>, labelIds: readonly string[], word: 'added' | 'removed') {
    const change = changeOf(message)
    const before = (message.labelIds ?? change.labels)?.filter(label => !labelIds.includes(label))
    change.labels = before && (word === 'added' ? [...before, ...labelIds] : before)
    for (const label of labelIds) {
      if (!change.first.has(label)) change.first.set(label, word)
      change.last.set(label, word)
    }
  }
}

function verdictFor(change: MessageChange, filter: LabelFilter): 'gone' | 'listed' | 'relabelled' {
  const { labels, first, last } = change
  if (change.deleted) return 'gone'
  if (change.added || change.bare) return 'listed'
  if (labels) {
    if (leftOut(labels, filter) !== undefined) return 'gone'
    const kept = labels.filter(label => first.get(label) !== 'added')
    const before = [...kept, ...[...first].flatMap(([label, word]) => (word === 'removed' ? [label] : []))]
    return leftOut(before, filter) === undefined ? 'relabelled' : 'listed'
  }
  if (filter.skip.some(label => last.get(label) === 'added')) return 'gone'
  // A label that was added and removed again, or the reverse, decides nothing.
  const decides = (label: string) => last.has(label) && first.get(label) === last.get(label)
  return [...filter.skip, ...filter.labels].some(decides) ? 'listed' : 'relabelled'
}

function listed({ id, thread, labels, added }: MessageChange, filter: LabelFilter): Listed {
  const filtered = labels && leftOut(labels, filter)
  return {
    id,
    thread: thread || id,
    ...(filtered === undefined ? {} : { filtered }),
    // A message that is not new may be cached with its old content.
    ...(added ? {} : { verify: true }),
  }
}

function labelChange({ id, thread, last }: MessageChange): LabelChange {
  const those = (word: 'added' | 'removed') => [...last].flatMap(([label, action]) => (action === word ? [label] : []))
  return { id, thread: thread || id, added: those('added'), removed: those('removed') }
}
