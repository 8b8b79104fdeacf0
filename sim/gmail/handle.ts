import type { Account, LabelChange } from './account.ts'
import { FROM_TRASH, TO_TRASH } from './changes.ts'
import type { Entry } from './entry.ts'

/**
 * Delivery options: Gmail's system label ids or names of other labels, the time received (ms since 1970), and
 * the thread.
 */
export interface Delivery {
  labels?: readonly string[]
  receivedAt?: number
  threadId?: string
}

/**
 * Changes a mailbox from outside; each change enters its history at once. Unknown ids throw. Methods return
 * the new history id.
 */
export interface MailboxHandle {
  historyId(): string
  /** Returns the ids of its messages, newest first. */
  ids(): string[]
  /** Returns the labels of a message. */
  labelsOf(id: string): readonly string[]
  /** Adds and removes labels, by id or name, in one record for all the messages. */
  modify(ids: readonly string[], change: Partial<LabelChange>): string
  trash(...ids: string[]): string
  untrash(...ids: string[]): string
  /** Deletes permanently. */
  delete(...ids: string[]): string
  /** Creates a label and returns its id; throws if the name is taken. */
  createLabel(name: string): string
  renameLabel(id: string, name: string): void
  /** Deletes a label and removes it from all messages. */
  deleteLabel(id: string): string
  /** Writes a history record with only `id` and `messages`. */
  touch(id: string): string
  expireHistory(): string
}

/** Opens the handle of an account. */
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
