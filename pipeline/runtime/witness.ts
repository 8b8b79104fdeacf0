import { type Fetched, type Mailbox, type MailboxId, type Provider, providerOf } from '../../shared/mailbox.ts'
import type { MessageId } from '../../shared/message.ts'
import { ALONE_MS, type IsOwnFault } from './set-aside.ts'

/** The provider answers that this process has seen, to distinguish the fault of one item from an outage. */
export interface Witness {
  /** Wraps a mailbox to note its answers. */
  watch(mailbox: MailboxId, at: Mailbox): Mailbox
  /**
   * Returns whether a failing item is itself at fault: the provider has answered another call since. Without such a call, the item is at
   * fault when others of its batch were answered, or after twenty seconds, as long as fewer than `outage` items of the mailbox fail.
   */
  isOwnFault: IsOwnFault
}

const MAX_FAILING = 1000

/** Creates a witness without answers; `outage` is how many different items in a row make an outage. */
export function createWitness(outage: number, now: () => number): Witness {
  const answeredAt = new Map<Provider, number>()
  const failing = new Map<MailboxId, Set<MessageId>>()

  return {
    watch(mailbox, at) {
      const seen = <T>(answer: T): T => {
        answeredAt.set(providerOf(mailbox), now())
        failing.delete(mailbox)
        return answer
      }
      return {
        ...at,
        open: (call, knownUntil) => at.open(call, knownUntil).then(seen),
        changes: (since, page, call) => at.changes(since, page, call).then(seen),
        async fetch(wanted, call) {
          try {
            const answers = await at.fetch(wanted, call)
            return [...answers.values()].some(isAnswer) ? seen(answers) : failed(mailbox, answers, [...answers.keys()])
          } catch (thrown) {
            failed(
              mailbox,
              undefined,
              wanted.map(({ id }) => id),
            )
            throw thrown
          }
        },
      }
    },

    isOwnFault(mailbox, { since, others }) {
      if ((answeredAt.get(providerOf(mailbox)) ?? 0) > since) return true
      return (others || now() - since >= ALONE_MS) && (failing.get(mailbox)?.size ?? 0) < outage
    },
  }

  function failed<T>(mailbox: MailboxId, answers: T, ids: readonly MessageId[]): T {
    const known = failing.get(mailbox) ?? new Set()
    failing.set(mailbox, known)
    for (const id of ids) if (known.size < MAX_FAILING) known.add(id)
    return answers
  }
}

function isAnswer({ outcome }: Fetched): boolean {
  return outcome === 'ok' || outcome === 'gone' || outcome === 'filtered'
}
