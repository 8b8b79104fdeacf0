import type { Account, LabelChange } from './account.ts'
import type { Call } from './call.ts'
import type { Entry } from './entry.ts'
import { notFound, refused } from './error.ts'
import { bodyFields, stringsIn } from './parameters.ts'

const MAX_LABELS = 100
const MAX_IDS = 1000
// developers.google.com/workspace/gmail/api/guides/labels: labels that a client can neither add nor remove.
const FIXED_LABELS = ['SENT', 'DRAFT', 'CHAT']
/** Moving to the trash also leaves the inbox and spam. */
export const TO_TRASH: LabelChange = { add: ['TRASH'], remove: ['INBOX', 'SPAM'] }
/** Leaving the trash does not return a message to the inbox. */
export const FROM_TRASH: LabelChange = { add: [], remove: ['TRASH'] }

/** Adds and removes labels of a message. */
export function modifyMessage(call: Call) {
  const change = labelChange(call.account, call.body)
  return relabel(call, change)
}

/** Moves a message to the trash. */
export function trashMessage(call: Call) {
  return relabel(call, TO_TRASH)
}

/** Takes a message out of the trash. */
export function untrashMessage(call: Call) {
  return relabel(call, FROM_TRASH)
}

/** Deletes a message permanently. */
export function deleteMessage(call: Call): undefined {
  call.account.remove([entryOf(call)])
}

/** Changes the labels of up to 1,000 messages; ignores unknown ids. */
export function batchModify({ account, body }: Call): undefined {
  const entries = knownEntries(account, idsIn(body, ['addLabelIds', 'removeLabelIds']))
  const { ids: _, ...labels } = bodyFields(body, ['ids', 'addLabelIds', 'removeLabelIds'])
  const change = labelChange(account, labels)
  // A batch change writes one record a message.
  for (const entry of entries) account.modify([entry], change)
}

/** Deletes up to 1,000 messages permanently; ignores unknown ids. */
export function batchDelete({ account, body }: Call): undefined {
  for (const entry of knownEntries(account, idsIn(body, []))) account.remove([entry])
}

/** Adds and removes labels of all messages of a thread, in one history record. */
export function modifyThread(call: Call) {
  return relabelThread(call, labelChange(call.account, call.body))
}

/** Moves a thread to the trash. */
export function trashThread(call: Call) {
  return relabelThread(call, TO_TRASH)
}

/** Takes a thread out of the trash. */
export function untrashThread(call: Call) {
  return relabelThread(call, FROM_TRASH)
}

/** Deletes a thread permanently, in one history record. */
export function deleteThread(call: Call): undefined {
  call.account.remove(threadOf(call))
}

/** Returns the message in the path; throws a 404 if there is none, a 400 if it cannot be an id. */
export function entryOf({ account, id }: Pick<Call, 'account' | 'id'>): Entry {
  if (!/^[0-9a-f]{1,16}$/i.test(id)) throw refused('Invalid id value')
  const entry = account.find(id)
  if (!entry) throw notFound()
  return entry
}

/** Renders the answer to a change of labels. */
export function renderLabelled({ id, threadId, labelIds }: Entry) {
  return { id, threadId, ...(labelIds.length === 0 ? {} : { labelIds }) }
}

function relabel(call: Call, change: LabelChange) {
  const entry = entryOf(call)
  call.account.modify([entry], change)
  return renderLabelled(entry)
}

function relabelThread(call: Call, change: LabelChange) {
  const entries = threadOf(call)
  call.account.modify(entries, change)
  return { id: call.id, messages: entries.map(renderLabelled) }
}

function threadOf({ account, id }: Call): readonly Entry[] {
  const entries = account.thread(id)
  if (entries.length === 0) throw notFound()
  return entries
}

function labelChange(account: Account, body: unknown): LabelChange {
  const fields = bodyFields(body, ['addLabelIds', 'removeLabelIds'])
  const add = stringsIn(fields, 'addLabelIds')
  const remove = stringsIn(fields, 'removeLabelIds')
  if (add.length + remove.length === 0) throw refused('No label add or removes specified')
  if (add.length > MAX_LABELS || remove.length > MAX_LABELS)
    throw refused(`Too many labels: at most ${MAX_LABELS} can be added or removed at once`)
  for (const label of [...add, ...remove])
    if (!account.labels.find(label) || FIXED_LABELS.includes(label)) throw refused(`Invalid label: ${label}`)
  const both = add.find(label => remove.includes(label))
  if (both !== undefined) throw refused(`Cannot both add and remove the same label: ${both}`)
  return { add, remove }
}

function idsIn(body: unknown, others: readonly string[]): readonly string[] {
  const ids = stringsIn(bodyFields(body, ['ids', ...others]), 'ids')
  if (ids.length === 0) throw refused('No message ids specified')
  if (ids.length > MAX_IDS) throw refused(`Too many message ids specified: at most ${MAX_IDS} are allowed`)
  return ids
}

function knownEntries(account: Account, ids: readonly string[]): Entry[] {
  return [...new Set(ids)].flatMap(id => account.find(id) ?? [])
}
