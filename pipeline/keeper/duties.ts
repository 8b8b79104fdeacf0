import type { Config } from '../../shared/config.ts'
import { PROVIDERS, type Provider } from '../../shared/mailbox.ts'
import { trimIntake } from '../../shared/redis/intake.ts'
import type { Mailboxes } from '../accounts/providers.ts'
import type { AppContext } from '../base/app.ts'
import type { Log } from '../base/log.ts'
import { createGuards } from '../runtime/guards.ts'
import { createJudging } from './alerting.ts'
import { type Keeper, startKeeper } from './keeper.ts'
import { createOrphanSweep } from './orphan-sweep.ts'
import { createProbing } from './probing.ts'
import { createSafetyPoll, pollEveryMs } from './safety-poll.ts'
import { createTaskKeeping } from './task-keeping.ts'
import { createWarming } from './warming.ts'
import { createWatchKeeping } from './watch-keeping.ts'

/** A keeper with the configured pace and retention; it renews the watches of mailboxes that it can reach, and keeps them warm. */
export function keeperOf(
  app: AppContext,
  mailsluice: Log & { child(fields: object): Log },
  mailboxes: Mailboxes | undefined,
): Keeper {
  const { KEEPER_INTERVAL, STREAM_RETENTION, WARM_SHARE, PARKED_PROBE_MINUTES } = app.config
  const providers = notifyingProviders(app.config)
  const log = mailsluice.child({ stage: 'keeper' })
  const retentionMs = STREAM_RETENTION * 1000
  const intervalMs = KEEPER_INTERVAL * 1000
  return startKeeper(app, {
    log,
    intervalMs,
    retentionMs,
    duties: [
      async isOurs => void ((await isOurs()) && (await trimIntake(app.redis, app.keys, retentionMs))),
      createSafetyPoll(app, { everyMs: pollEveryMs(app.config), roundMs: intervalMs, log }),
      ...(WARM_SHARE > 0 && mailboxes
        ? [createWarming(app, { mailboxes, guardOf: createGuards(app, mailsluice), roundMs: intervalMs, log })]
        : []),
      createTaskKeeping(app, log),
      createJudging(app, log),
      createOrphanSweep(app, log),
      ...(providers.length > 0 && mailboxes ? [createWatchKeeping(app, { providers, mailboxes, log })] : []),
      // It takes its time between calls, so it comes last.
      ...(mailboxes
        ? [createProbing(app, { mailboxes, everyMs: PARKED_PROBE_MINUTES * 60_000, roundMs: intervalMs, log })]
        : []),
    ],
  })
}

/** The providers of which somebody set up where changes are to be told. */
export function notifyingProviders(config: Config): Provider[] {
  return PROVIDERS.filter(provider =>
    provider === 'gmail' ? config.GMAIL_PUBSUB_TOPIC !== undefined : config.OUTLOOK_NOTIFICATION_URL !== undefined,
  )
}
