import type { Config } from '../../shared/config.ts'
import type { Provider } from '../../shared/mailbox.ts'
import { trimIntake } from '../../shared/redis/intake.ts'
import type { Mailboxes } from '../accounts/mailboxes.ts'
import { PROVIDERS } from '../accounts/providers.ts'
import type { AppContext } from '../base/app.ts'
import type { Log } from '../base/log.ts'
import { MINUTE_MS } from '../base/times.ts'
import { createGuards } from '../runtime/guards.ts'
import { createRunAlerting } from './alerting.ts'
import { type Keeper, startKeeper } from './keeper.ts'
import { createOrphanSweep } from './orphan-sweep.ts'
import { createProbing } from './probing.ts'
import { createSafetyPoll, pollEveryMs } from './safety-poll.ts'
import { createTaskKeeping } from './task-keeping.ts'
import { createWarming } from './warming.ts'
import { createWatchKeeping } from './watch-keeping.ts'

/** Starts a keeper with the configured interval and retention; it also renews watches and warms the cache of reachable mailboxes. */
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
      createRunAlerting(app, log),
      createOrphanSweep(app, log),
      ...(providers.length > 0 && mailboxes ? [createWatchKeeping(app, { providers, mailboxes, log })] : []),
      // Probing pauses between calls, so it runs last.
      ...(mailboxes
        ? [createProbing(app, { mailboxes, everyMs: PARKED_PROBE_MINUTES * MINUTE_MS, roundMs: intervalMs, log })]
        : []),
    ],
  })
}

/** Returns the providers whose change notifications are configured. */
export function notifyingProviders(config: Config): Provider[] {
  return [...PROVIDERS.values()].flatMap(({ id, isNotifying }) => (isNotifying(config) ? [id] : []))
}
