import type { Account, LabelChange } from './account.ts'
import { FROM_TRASH, TO_TRASH } from './changes.ts'
import type { Entry } from './entry.ts'

/** How a mail is delivered: Gmail's system label ids or names of other labels, when it was received (ms since 1970), and to which thread. */
export interface Delivery {
  labels?: readonly string[]
  receivedAt?: number
  threadId?: string
}

/** What happens in a mailbox from outside: each is in its history at once. Ids that are unknown throw. Answers are the history id after. */
export interface MailboxHandle {
  historyId(): string
  /** The ids of its messages, newest first. */
  ids(): string[]
  /** The labels of a message. */
  labelsOf(id: string): readonly string[]
  /** Adds labels and takes others off, by their ids or names; one record for all the messages. */
  modify(ids: readonly string[], change: Partial<LabelChange>): string
  trash(...ids: string[]): string
  untrash(...ids: string[]): string
  /** Deletes for ever. */
  delete(...ids: string[]): string
  /** Makes a label, and answers with its id; throws where the name is taken. */
  createLabel(name: string): string
  renameLabel(id: string, name: string): void
  /** Deletes a label, and takes it off all messages. */
  deleteLabel(id: string): string
  /** Writes a history record with only `id` and `messages`. */
  touch(id: string): string
  expireHistory(): string
}

/** The handle of an account. */
export function openHandle(account: Account): MailboxHandle {
  const { labels, history } = account
  const historyId = () => String(history.currentId())

  const find = (id: string): Entry => {
    const entry = account.find(id)
    if (!entry) throw new Error(`${account.address} has no message ${id}`)
    return entry
  }

  const modify = (ids: readonly string[], change: LabelChange) => {
    account.modify(ids.map(find), change)
    return historyId()
  }

  return {
    historyId,
    ids: () => account.newestFirst().map(({ id }) => id),
    labelsOf: id => find(id).labelIds,
    modify: (ids, { add = [], remove = [] }) =>
      modify(ids, { add: add.map(labels.idOf), remove: remove.map(labels.idOf) }),
    trash: (...ids) => modify(ids, TO_TRASH),
    untrash: (...ids) => modify(ids, FROM_TRASH),
    delete(...ids) {
      account.remove(ids.map(find))
      return historyId()
    },
    createLabel: name => labels.create({ name }).id,
    renameLabel(id, name) {
      labels.update(id, { name })
    },
    deleteLabel(id) {
      account.removeLabel(id)
      return historyId()
    },
    touch(id) {
      account.touch(find(id))
      return historyId()
    },
    expireHistory() {
      history.expire()
      return historyId()
    },
  }
}
