import type { Changes, Fetched, Mailbox, MailboxId } from '../../shared/mailbox.ts'
import type { MessageId } from '../../shared/message.ts'
import type { Mailboxes } from '../accounts/mailboxes.ts'
import type { AppContext } from '../base/app.ts'
import { NOT_CACHED, recordedMailbox, UNWATCHED } from './recorded-mailbox.ts'
import type { RecordedRuns } from './recorded-runs.ts'

/** Mailboxes that answer from the records of the replayed run and call no provider. */
export interface ReplayMailboxes {
  of: Mailboxes
  /** Selects the run whose records answer from now on. */
  select(run: string, recorded: RecordedRuns): void
  /** Returns the requested messages that are no longer cached: they were answered as gone, so that the replay can finish. */
  notAtHand(): string[]
}

/** Creates mailboxes that replay one run at a time. */
export function createReplayMailboxes(app: AppContext): ReplayMailboxes {
  const missing = new Set<MessageId>()
  let current: { run: string; recorded: RecordedRuns } | undefined

  return {
    of: mailbox => replayed(mailbox),
    select(run, recorded) {
      current = { run, recorded }
    },
    notAtHand: () => [...missing],
  }

  function replayed(mailbox: MailboxId): Mailbox {
    return {
      ...UNWATCHED,
      async open(call) {
        return (await listing(mailbox, undefined)).open(call)
      },

      async changes(since, page, call): Promise<Changes> {
        return (await listing(mailbox, page)).changes(since, page, call)
      },

      async fetch(wanted, call) {
        const items = current?.recorded.missing.get(current.run) ?? []
        const lineage = current?.recorded.fetched
        const source = lineage && (await recordedMailbox(app, { mailbox, items }, lineage))
        const answers = (await source?.fetch(wanted, call)) ?? new Map<MessageId, Fetched>()
        return new Map(wanted.map(({ id }): [MessageId, Fetched] => [id, orGone(id, answers.get(id))]))
      },
    }
  }

  // The watch event that requested this page leads to the ids it listed.
  async function listing(mailbox: MailboxId, page: string | undefined): Promise<Mailbox> {
    const events = current?.recorded.events.get(current.run) ?? []
    const items = events.filter(({ body }) => body.page?.token === page).slice(0, 1)
    const lineage = current?.recorded.listed
    return lineage ? recordedMailbox(app, { mailbox, items }, lineage) : emptyMailbox(mailbox)
  }

  function orGone(id: MessageId, answer: Fetched | undefined): Fetched {
    if (answer && !(answer.outcome === 'failed' && answer.error === NOT_CACHED)) return answer
    missing.add(id)
    return { outcome: 'gone' }
  }
}

function emptyMailbox(mailbox: MailboxId): Mailbox {
  return {
    ...UNWATCHED,
    open: async () => ({ address: mailbox, cursor: '' }),
    changes: async () => ({ ids: [], gone: [], labels: [], cursor: '' }),
    fetch: async () => new Map(),
  }
}
