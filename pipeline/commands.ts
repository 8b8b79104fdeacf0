import type { Config } from '../shared/config.ts'
import { MailError } from '../shared/error.ts'
import { type MailboxId, parseMailboxId } from '../shared/mailbox.ts'
import { redisLabel } from '../shared/redis/connect.ts'
import { readMailbox } from '../shared/redis/mailboxes.ts'
import { listRuns, type RunRecord } from '../shared/redis/runs.ts'
import type { StageName } from '../shared/stage.ts'
import { awaitOffice, brief, endless, insist, isStopped } from './await-redis.ts'
import { untilQuiet, warnOfStandstill } from './follow.ts'
import { createLog, type Log } from './log.ts'
import { reachMailboxes } from './mail-source.ts'
import { marksOf } from './marks.ts'
import { unitsSaved } from './quotas.ts'
import { findRedis } from './redis-source.ts'
import { connectIfNew, requestSync } from './request-sync.ts'
import { findSimulator } from './simulator.ts'
import { STAGES } from './stages.ts'
import { callsByKind, summarise, summaryTable } from './summary.ts'
import { table } from './table.ts'
import { screen } from './terminal.ts'
import { type Office, startStages } from './wire.ts'

/** What every command is given: the settings, where to print, when to stop. */
export interface CommandContext {
  config: Config
  json: boolean
  signal: AbortSignal
  print: (text: string) => void
}

/** Runs one stage in this process until it is told to stop. */
export async function runOneStage(context: CommandContext, name: StageName): Promise<void> {
  const { config, signal } = context
  const log = createLog(config, name)
  const mailboxesIn = reachMailboxes(config, await findSimulator(config))
  await staying({ ...context, log }, async office => {
    const stages = startStages(
      STAGES.filter(stage => stage.name === name),
      office,
      { mailboxes: mailboxesIn(office), log },
    )
    log.info({ pid: process.pid }, `${name} is running`)
    await new Promise<void>(resolve => {
      if (signal.aborted) resolve()
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    await stages.stop(config.DRAIN_MS)
    log.info(`${name} has stopped`)
  })
}

/** Puts a watch event in. */
export async function push(context: CommandContext, name: string, historyId: string | undefined): Promise<void> {
  parseMailboxId(name)
  await withOffice(context, async office => {
    const mailbox = await connected(office, context, name)
    const run = office.newRunId()
    // Asked for twice under one name it is one run.
    const ask = () => requestSync(office, mailbox, { historyId, run })
    await insist(office.url, ask, brief(context.config, context.signal))
    context.print(context.json ? JSON.stringify({ mailbox, run }) : `${mailbox}: run ${run} asked for`)
  })
}

/** Puts a watch event in and follows the run to its end; whether it went well. */
export async function sync(context: CommandContext, name: string): Promise<boolean> {
  parseMailboxId(name)
  return withOffice(context, async office => {
    const mailbox = await connected(office, context, name)
    const record = await readMailbox(office.redis, office.keys, mailbox)
    if (record?.pausedAt !== undefined)
      throw new MailError('misconfigured', `${mailbox} is paused: \`mailsluice resume ${mailbox}\` lets it go on`)
    const since = office.now()
    const run = office.newRunId()
    const patience = brief(context.config, context.signal)
    await insist(office.url, () => requestSync(office, mailbox, { run }), patience)
    const follow = () =>
      untilQuiet(office, {
        since,
        mailboxes: [mailbox],
        signal: context.signal,
        bar: !context.json && screen.isTTY === true,
        onStandstill: warnOfStandstill,
      })
    const runs = await insist(office.url, follow, patience)
    const summary = summarise(runs, {
      saved: run => unitsSaved(run, office.config),
      mailboxes: 1,
      seconds: (office.now() - since) / 1000,
      redis: await redisLabel(office.redis),
    })
    context.print(context.json ? JSON.stringify(summary) : summaryTable(runs, summary))
    return summary.ok
  })
}

/** Shows the newest runs. */
export async function runs(context: CommandContext, limit: number): Promise<void> {
  await withReadableOffice(context, async ({ redis, keys }) => {
    const found = await listRuns(redis, keys, limit)
    if (context.json) {
      context.print(JSON.stringify({ runs: found }))
      return
    }
    const rows = table(
      ['run', 'started', 'mailbox', 'cause', 'messages', 'threads', 'tasks', 'calls', 'state', 'marks'],
      4,
    )
    for (const run of found) {
      const ended = run.addsUp ? endOf(run) : 'does not add up'
      const healed = run.healedBy && `healed by ${run.healedBy}`
      const state = healed ?? run.failure ?? (run.endedAt === undefined ? 'under way' : ended)
      const started = new Date(run.startedAt).toISOString().replace('T', ' ').slice(0, 19)
      rows.push([
        run.run,
        started,
        run.mailbox,
        run.cause,
        run.listed,
        run.threads,
        run.tasks,
        callsByKind(run),
        state,
        marksOf(run),
      ])
    }
    context.print(found.length > 0 ? rows.toString() : 'No runs yet: `mailsluice push MAILBOX` asks for one.')
  })
}

function endOf({ fates: { deferred }, givenUp, threads, tasks, unchanged, settled }: RunRecord): string {
  if (givenUp > 0) return `${givenUp} of ${threads} threads given up: see the dead letters`
  if (!settled) return `${threads - tasks - unchanged} of ${threads} threads not dispatched yet`
  return deferred > 0 ? `ok, ${deferred} set aside` : 'ok'
}

/**
 * As `withOffice`, for a process that stays: it waits for a Redis that cannot be used until it can, or until it is told to stop. With
 * `reads` a Redis that is full will do.
 */
export async function staying(
  { config, signal, log }: CommandContext & { log: Log },
  work: (office: Office) => Promise<void>,
  { reads = false }: { reads?: boolean } = {},
): Promise<void> {
  const url = await findRedis(config)
  const office = await awaitOffice(config, url, { ...endless(signal, log), reads }).catch(error => {
    if (!isStopped(error, signal)) throw error
    return undefined
  })
  if (office) await closing(office, work)
}

/** Opens what a command needs for as long as it works. A Redis that cannot be used is waited for, REDIS_WAIT seconds at most. */
export function withOffice<T>(context: CommandContext, work: (office: Office) => Promise<T>): Promise<T> {
  return opened(context, work, { reads: false })
}

/** As `withOffice`, for a command that only reads: it works on a Redis that is full, too. */
export function withReadableOffice<T>(context: CommandContext, work: (office: Office) => Promise<T>): Promise<T> {
  return opened(context, work, { reads: true })
}

async function opened<T>(
  { config, signal }: CommandContext,
  work: (office: Office) => Promise<T>,
  { reads }: { reads: boolean },
): Promise<T> {
  const url = await findRedis(config)
  return closing(await awaitOffice(config, url, { ...brief(config, signal), reads }), work)
}

async function closing<T>(office: Office, work: (office: Office) => Promise<T>): Promise<T> {
  try {
    return await work(office)
  } finally {
    office.close()
  }
}

/** The mailbox of a name, made known where it is not yet; throws where that cannot be. */
export async function connected(office: Office, { config, signal }: CommandContext, name: string): Promise<MailboxId> {
  const mailbox = parseMailboxId(name)
  const simUrl = await findSimulator(config)
  await connectIfNew(office, () => reachMailboxes(config, simUrl)(office), mailbox, signal)
  return mailbox
}
