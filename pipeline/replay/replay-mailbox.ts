import type { Changes, Fetched, Mailbox, MailboxId } from '../../shared/mailbox.ts'
import type { MessageId } from '../../shared/message.ts'
import type { Mailboxes } from '../accounts/providers.ts'
import type { AppContext } from '../base/app.ts'
import { NOT_AT_HAND, recordedMailbox, UNWATCHED } from './recorded-mailbox.ts'
import type { RecordedRuns } from './recorded-runs.ts'

/** Mailboxes that answer from the records of the run that is being replayed, and ask no provider. */
export interface ReplayMailboxes {
  of: Mailboxes
  /** From now on this run is replayed. */
  play(run: string, recorded: RecordedRuns): void
  /** The messages somebody wanted that the cache has lost: they were answered as gone, so that the replay comes to its end. */
  notAtHand(): string[]
}

/** Mailboxes of which one run at a time is replayed. */
export function createReplayMailboxes(app: AppContext): ReplayMailboxes {
  const lacking = new Set<MessageId>()
  let scene: { run: string; recall: RecordedRuns } | undefined

  return {
    of: mailbox => replayed(mailbox),
    play(run, recorded) {
      scene = { run, recall: recorded }
    },
    notAtHand: () => [...lacking],
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
        const items = scene?.recall.missing.get(scene.run) ?? []
        const then = scene?.recall.fetched
        const recorded = then && (await recordedMailbox(app, { mailbox, items }, then))
        const answers = (await recorded?.fetch(wanted, call)) ?? new Map<MessageId, Fetched>()
        return new Map(wanted.map(({ id }): [MessageId, Fetched] => [id, neutral(id, answers.get(id))]))
      },
    }
  }

  // The watch event that asked for this page then tells what was listed.
  async function listing(mailbox: MailboxId, page: string | undefined): Promise<Mailbox> {
    const events = scene?.recall.events.get(scene.run) ?? []
    const items = events.filter(({ body }) => body.page?.token === page).slice(0, 1)
    const then = scene?.recall.listed
    return then ? recordedMailbox(app, { mailbox, items }, then) : nothing(mailbox)
  }

  function neutral(id: MessageId, answer: Fetched | undefined): Fetched {
    if (answer && !(answer.outcome === 'failed' && answer.error === NOT_AT_HAND)) return answer
    lacking.add(id)
    return { outcome: 'gone' }
  }
}

function nothing(mailbox: MailboxId): Mailbox {
  return {
    ...UNWATCHED,
    open: async () => ({ address: mailbox, cursor: '' }),
    changes: async () => ({ ids: [], gone: [], labels: [], cursor: '' }),
    fetch: async () => new Map(),
  }
}
