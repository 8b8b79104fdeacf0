import type { Account } from './account.ts'
import type { Call } from './call.ts'
import { invalid, notFound } from './error.ts'
import type { Label, LabelSettings } from './label-book.ts'
import { bodyFields, stringIn } from './parameters.ts'

const FIELDS = ['id', 'name', 'messageListVisibility', 'labelListVisibility', 'type', 'color']
const COUNTS = ['messagesTotal', 'messagesUnread', 'threadsTotal', 'threadsUnread']
const VISIBILITIES = {
  messageListVisibility: ['show', 'hide'],
  labelListVisibility: ['labelShow', 'labelShowIfUnread', 'labelHide'],
}

/** Lists all labels of a mailbox, system labels first. */
export function listLabels({ account }: Call) {
  return { labels: account.labels.all() }
}

/** Renders one label with its counts; throws a 404 if there is no such label. */
export function renderLabel({ account, id }: Call) {
  const label = account.labels.find(id)
  if (!label) throw notFound()
  return { ...label, ...countsOf(account, id) }
}

/** Creates a label; throws a 409 if its name is taken. */
export function createLabel({ account, body }: Call): Label {
  return account.labels.create(settingsIn(body))
}

/** Changes the given fields of a user label; throws a 400 for a system label. */
export function updateLabel({ account, id, body }: Call): Label {
  return account.labels.update(id, settingsIn(body))
}

/** Deletes a label and removes it from all messages. */
export function deleteLabel({ account, id }: Call): undefined {
  account.removeLabel(id)
}

function settingsIn(body: unknown): LabelSettings {
  // Clients send back received fields, including counts.
  const fields = bodyFields(body, [...FIELDS, ...COUNTS])
  const settings: LabelSettings = {}
  const name = stringIn(fields, 'name')
  if (name !== undefined) settings.name = name
  for (const key of ['messageListVisibility', 'labelListVisibility'] as const) {
    const value = stringIn(fields, key)
    if (value === undefined) continue
    if (!VISIBILITIES[key].includes(value))
      throw invalid(`Invalid value at 'label.${key}' (TYPE_ENUM), "${value}"`, key)
    settings[key] = value
  }
  if (typeof fields.color === 'object' && fields.color !== null) settings.color = fields.color
  return settings
}

function countsOf(account: Account, id: string) {
  const labelled = account.entries().filter(entry => entry.labelIds.includes(id))
  const unread = labelled.filter(entry => entry.labelIds.includes('UNREAD'))
  return {
    messagesTotal: labelled.length,
    messagesUnread: unread.length,
    threadsTotal: new Set(labelled.map(entry => entry.threadId)).size,
    threadsUnread: new Set(unread.map(entry => entry.threadId)).size,
  }
}
