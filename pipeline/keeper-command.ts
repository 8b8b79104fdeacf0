import type { Config } from '../shared/config.ts'
import { PROVIDERS, type Provider } from '../shared/mailbox.ts'
import { trimIntake } from '../shared/redis/intake.ts'
import { providersSet } from './account-settings.ts'
import { type CommandContext, staying } from './commands.ts'
import { createGuards } from './guards.ts'
import { createJudging } from './judging.ts'
import { type Keeper, startKeeper } from './keeper.ts'
import { createLog, type Log } from './log.ts'
import { reachMailboxes } from './mail-source.ts'
import { createOrphanSweep } from './orphan-sweep.ts'
import { createProbing } from './probing.ts'
import type { Mailboxes } from './providers.ts'
import { createSafetyPoll, pollEveryMs } from './safety-poll.ts'
import { findSimulator } from './simulator.ts'
import { createTaskKeeping } from './task-keeping.ts'
import { createWarming } from './warming.ts'
import { createWatchKeeping } from './watch-keeping.ts'
import type { Office } from './wire.ts'

/** A keeper with the configured pace and retention; it renews the watches of mailboxes that it can reach, and keeps them warm. */
export function keeperOf(
  office: Office,
  mailsluice: Log & { child(fields: object): Log },
  mailboxes: Mailboxes | undefined,
): Keeper {
  const { KEEPER_INTERVAL, STREAM_RETENTION, WARM_SHARE, PARKED_PROBE_MINUTES } = office.config
  const providers = notifyingProviders(office.config)
  const log = mailsluice.child({ stage: 'keeper' })
  const retentionMs = STREAM_RETENTION * 1000
  const intervalMs = KEEPER_INTERVAL * 1000
  return startKeeper(office, {
    log,
    intervalMs,
    retentionMs,
    duties: [
      async isOurs => void ((await isOurs()) && (await trimIntake(office.redis, office.keys, retentionMs))),
      createSafetyPoll(office, { everyMs: pollEveryMs(office.config), roundMs: intervalMs, log }),
      ...(WARM_SHARE > 0 && mailboxes
        ? [createWarming(office, { mailboxes, guardOf: createGuards(office, mailsluice), roundMs: intervalMs, log })]
        : []),
      createTaskKeeping(office, log),
      createJudging(office, log),
      createOrphanSweep(office, log),
      ...(providers.length > 0 && mailboxes ? [createWatchKeeping(office, { providers, mailboxes, log })] : []),
      // It takes its time between calls, so it comes last.
      ...(mailboxes
        ? [createProbing(office, { mailboxes, everyMs: PARKED_PROBE_MINUTES * 60_000, roundMs: intervalMs, log })]
        : []),
    ],
  })
}

// Of whose mailboxes somebody set up where changes are to be told.
function notifyingProviders(config: Config): Provider[] {
  return PROVIDERS.filter(provider =>
    provider === 'gmail' ? config.GMAIL_PUBSUB_TOPIC !== undefined : config.OUTLOOK_NOTIFICATION_URL !== undefined,
  )
}

/** Runs the keeper alone until it is told to stop; any number may run, one works. */
export async function runKeeper(context: CommandContext): Promise<void> {
  const log = createLog(context.config, 'keeper')
  const { config } = context
  const simUrl = await findSimulator(config)
  const canAsk = simUrl !== undefined || providersSet(config).length > 0
  const mustAsk = notifyingProviders(config).length > 0 || config.WARM_SHARE > 0
  const mailboxesIn = canAsk || mustAsk ? reachMailboxes(config, simUrl) : undefined
  const keep = async (office: Office) => {
    const keeper = keeperOf(office, log, mailboxesIn?.(office))
    await new Promise<void>(resolve => {
      if (context.signal.aborted) resolve()
      context.signal.addEventListener('abort', () => resolve(), { once: true })
    })
    await keeper.stop()
  }
  // A full Redis is one that it has to trim.
  await staying({ ...context, log }, keep, { reads: true })
}
