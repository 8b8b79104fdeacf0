import type { Account } from './account.ts'
import type { Call } from './call.ts'
import { invalid, refused } from './error.ts'
import type { HistoryRecord } from './history-log.ts'
import { bodyFields, stringIn, stringsIn } from './parameters.ts'
import type { Pushes } from './pubsub.ts'

/** A mailbox owner's request for notifications. */
export interface Watch {
  topicName: string
  labelIds: readonly string[]
  /** Whether the labels are included or excluded. */
  including: boolean
  expiresAtMs: number
}

/** The watches of a simulator, at most one a mailbox. */
export interface Watches {
  /** Answers `users.watch`, and sends a first notification at once. */
  start(call: Call): { historyId: string; expiration: string }
  /** Answers `users.stop`. */
  stop(call: Call): undefined
  /** Returns the watch of a mailbox, unless it has expired. */
  of(address: string): Watch | undefined
}

const LIFETIME_MS = 7 * 86_400_000
const SPACING_MS = 1000
const FIELDS = ['topicName', 'labelIds', 'labelFilterBehavior', 'labelFilterAction']

/**
 * Creates an empty set of watches. A mailbox's changes are notified at most once a second, by `elapsedMs`,
 * and the excess is dropped. A watch's first notification does not count
 * (developers.google.com/workspace/gmail/api/guides/push).
 */
export function createWatches(
  accounts: ReadonlyMap<string, Account>,
  { pushes, now, elapsedMs }: { pushes: Pushes; now: () => number; elapsedMs: () => number },
): Watches {
  const watches = new Map<string, Watch>()
  const notifiedAtMs = new Map<string, number>()

  const active = (address: string) => {
    const watch = watches.get(address)
    return watch && watch.expiresAtMs > now() ? watch : undefined
  }

  const notify = (account: Account, { topicName }: Watch) => {
    // Gmail sends the id as a number, although it documents a string.
    pushes.publish(topicName, { emailAddress: account.address, historyId: account.history.currentId() })
  }

  const onRecord = (account: Account, record: HistoryRecord) => {
    const watch = active(account.address.toLowerCase())
    if (!watch || !concerns(watch, record)) return
    const atMs = elapsedMs()
    if (atMs - (notifiedAtMs.get(account.address) ?? Number.NEGATIVE_INFINITY) < SPACING_MS) return pushes.noteTooSoon()
    notifiedAtMs.set(account.address, atMs)
    notify(account, watch)
  }

  for (const account of accounts.values()) account.history.listen(record => onRecord(account, record))

  return {
    start({ account, body }) {
      const address = account.address.toLowerCase()
      const watch = { ...readWatch(body), expiresAtMs: now() + LIFETIME_MS }
      for (const label of watch.labelIds) if (!account.labels.find(label)) throw refused(`Invalid label: ${label}`)
      const other = active(address)
      if (other && other.topicName !== watch.topicName)
        throw refused('Only one user push notification client allowed per developer (call /stop then try again)')
      watches.set(address, watch)
      notify(account, watch)
      return { historyId: String(account.history.currentId()), expiration: String(watch.expiresAtMs) }
    },
    stop({ account }) {
      watches.delete(account.address.toLowerCase())
    },
    of: address => active(address.toLowerCase()),
  }
}

function readWatch(body: unknown): Omit<Watch, 'expiresAtMs'> {
  const fields = bodyFields(body, FIELDS)
  const topicName = stringIn(fields, 'topicName') ?? ''
  if (!/^projects\/[^/]+\/topics\/[^/]+$/.test(topicName))
    throw refused(`Invalid topicName does not match projects/*/topics/*: ${topicName}`)
  const behavior = stringIn(fields, 'labelFilterBehavior') ?? stringIn(fields, 'labelFilterAction') ?? 'INCLUDE'
  if (!/^(include|exclude)$/i.test(behavior))
    throw invalid(`Invalid value at 'label_filter_behavior' (TYPE_ENUM), "${behavior}"`, 'labelFilterBehavior')
  return { topicName, labelIds: stringsIn(fields, 'labelIds'), including: /^include$/i.test(behavior) }
}

function concerns({ labelIds, including }: Watch, { changes }: HistoryRecord): boolean {
  if (labelIds.length === 0) return true
  return changes.some(({ entry, labelIds: changed }) => {
    const named = labelIds.some(label => entry.labelIds.includes(label) || changed.includes(label))
    return named === including
  })
}
