import { z } from 'zod'
import type { Changes, Gone, LabelChange, Listed } from '../mailbox.ts'
import { type LabelFilter, leftOut } from '../provider/filter.ts'

/** What of a history record is asked for (developers.google.com/gmail/api/reference/rest/v1/users.history/list). */
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

/** One record of a history page; it may tell nothing but which messages it is about. */
export const historyRecord = z.object({
  messages: z.array(named).default([]),
  messagesAdded: z.array(wrapped).default([]),
  messagesDeleted: z.array(wrapped).default([]),
  labelsAdded: z.array(relabelled).default([]),
  labelsRemoved: z.array(relabelled).default([]),
})
type HistoryRecord = z.infer<typeof historyRecord>

/** What a page tells of one message, in the end. */
interface Tale {
  id: string
  thread: string
  added: boolean
  deleted: boolean
  /** It was only named. */
  bare: boolean
  /** All of its labels, where a record had them. */
  labels: readonly string[] | undefined
  /** The first and the last word on each label. */
  first: Map<string, 'put on' | 'taken off'>
  last: Map<string, 'put on' | 'taken off'>
}

/**
 * What a page of history amounts to, each message told of once, but for a new one that was relabelled since. Of a message that was added and deleted only the end is told. Labels that
 * take a message out of the filter make it gone, labels that bring it in make it new; where its other labels are not told and could
 * decide, or nothing but its id is, it is to be verified.
 */
export function whatHappened(
  records: readonly HistoryRecord[],
  filter: LabelFilter,
): Pick<Changes, 'ids' | 'gone' | 'labels'> {
  const ids: Listed[] = []
  const gone: Gone[] = []
  const labels: LabelChange[] = []
  for (const change of talesIn(records)) {
    const verdict = verdictOn(change, filter)
    if (verdict === 'gone') gone.push({ id: change.id, ...(change.thread === '' ? {} : { thread: change.thread }) })
    else if (verdict === 'relabelled') labels.push(labelChange(change))
    else {
      const found = listed(change, filter)
      ids.push(found)
      // The cache may hold it with its old labels: a fetch of its thread brought it along before its page was listed.
      if (change.added && change.last.size > 0 && found.filtered === undefined) labels.push(labelChange(change))
    }
  }
  return { ids, gone, labels }
}

function talesIn(records: readonly HistoryRecord[]): Iterable<Tale> {
  const changed = new Map<string, Tale>()
  for (const { messages, messagesAdded, messagesDeleted, labelsAdded, labelsRemoved } of records) {
    for (const { message } of messagesAdded) Object.assign(taleOf(message), { added: true, labels: message.labelIds })
    for (const { message, labelIds } of labelsAdded) relabel(message, labelIds, 'put on')
    for (const { message, labelIds } of labelsRemoved) relabel(message, labelIds, 'taken off')
    for (const { message } of messagesDeleted) taleOf(message).deleted = true
    const typed = messagesAdded.length + messagesDeleted.length + labelsAdded.length + labelsRemoved.length
    if (typed === 0) for (const message of messages) taleOf(message).bare = true
  }
  return changed.values()

  function taleOf({ id, threadId }: z.infer<typeof named>): Tale {
    const reported = { added: false, deleted: false, bare: false, labels: undefined }
    const change = changed.get(id) ?? { id, thread: threadId, ...reported, first: new Map(), last: new Map() }
    changed.set(id, change)
    return change
  }

  function relabel(message: z.infer<typeof named>, labelIds: readonly string[], word: 'put on' | 'taken off') {
    const change = taleOf(message)
    const before = (message.labelIds ?? change.labels)?.filter(label => !labelIds.includes(label))
    change.labels = before && (word === 'put on' ? [...before, ...labelIds] : before)
    for (const label of labelIds) {
      if (!change.first.has(label)) change.first.set(label, word)
      change.last.set(label, word)
    }
  }
}

function verdictOn(change: Tale, filter: LabelFilter): 'gone' | 'listed' | 'relabelled' {
  const { labels, first, last } = change
  if (change.deleted) return 'gone'
  if (change.added || change.bare) return 'listed'
  if (labels) {
    if (leftOut(labels, filter) !== undefined) return 'gone'
    const kept = labels.filter(label => first.get(label) !== 'put on')
    const before = [...kept, ...[...first].flatMap(([label, word]) => (word === 'taken off' ? [label] : []))]
    return leftOut(before, filter) === undefined ? 'relabelled' : 'listed'
  }
  if (filter.skip.some(label => last.get(label) === 'put on')) return 'gone'
  // What was put on and taken off again, or the reverse, decides nothing.
  const decides = (label: string) => last.has(label) && first.get(label) === last.get(label)
  return [...filter.skip, ...filter.labels].some(decides) ? 'listed' : 'relabelled'
}

function listed({ id, thread, labels, added }: Tale, filter: LabelFilter): Listed {
  const filtered = labels && leftOut(labels, filter)
  return {
    id,
    thread: thread || id,
    ...(filtered === undefined ? {} : { filtered }),
    // What is no news may be held as it was before.
    ...(added ? {} : { verify: true }),
  }
}

function labelChange({ id, thread, last }: Tale): LabelChange {
  const those = (word: 'put on' | 'taken off') => [...last].flatMap(([label, said]) => (said === word ? [label] : []))
  return { id, thread: thread || id, added: those('put on'), removed: those('taken off') }
}
