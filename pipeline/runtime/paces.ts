import type { Config } from '../../shared/config.ts'
import { type MailboxId, providerOf } from '../../shared/mailbox.ts'
import type { Pace, Stage } from '../../shared/stage.ts'
import type { Providers } from '../accounts/providers.ts'
import { paceOf } from '../base/stages.ts'

/** The paces of a stage, by mailbox. */
export interface Paces {
  /** The pace before the mailbox is known: the one with the fewest slots. */
  least: Pace
  /** Returns the pace of a mailbox. Mailboxes with the same pace object share its slots. */
  of(mailbox: MailboxId): Pace
}

/** Returns one pace for all mailboxes. */
export function samePace(pace: Pace): Paces {
  return { least: pace, of: () => pace }
}

/** Returns the paces of a stage: one per provider for batch-fetch, otherwise one for all mailboxes. */
export function pacesOf(stage: Stage, config: Config, providers: Providers): Paces {
  if (stage.name !== 'batch-fetch') return samePace(stage.pace)
  const { FETCH_BATCH_SIZE: batchSize, FETCH_CONCURRENCY: concurrency } = config
  const known = new Map([...providers].map(([id, provider]) => [id, paceOf(stage, provider.fetching(config))]))
  const other = paceOf(stage, { batchSize, concurrency })
  const [least = other] = [...known.values()].toSorted((a, b) => a.concurrency - b.concurrency)
  return { least, of: mailbox => known.get(providerOf(mailbox)) ?? other }
}
