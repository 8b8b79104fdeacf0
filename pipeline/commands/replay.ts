import { type Command, Option } from 'commander'
import { MailError } from '../../shared/error.ts'
import { type MailboxId, parseMailboxId } from '../../shared/mailbox.ts'
import { STAGE_NAMES, type StageName } from '../../shared/stage.ts'
import { FATES } from '../../shared/streams.ts'
import type { AppContext } from '../base/app.ts'
import { type CommandContext, type ContextOf, FAILED } from '../base/command-context.ts'
import { createLog } from '../base/log.ts'
import { STAGES } from '../base/stages.ts'
import { printableLines } from '../base/terminal.ts'
import { type Difference, differenceLines } from '../records/diff.ts'
import type { Recorded } from '../records/recorded.ts'
import { type Selection, selectInputs } from '../records/selection.ts'
import { type DryRun, dryRun } from '../replay/dry-run.ts'
import { type Replayed, replayInto } from '../replay/replay-into-sandbox.ts'
import { type Requeued, requeue } from '../replay/requeue.ts'
import { openSandbox, sandboxPrefix } from '../replay/sandbox.ts'
import { checked, oneStage, word } from './arguments.ts'
import { withApp } from './with-app.ts'

/** Adds the arguments and the action of `replay`. */
export function define(command: Command, contextOf: ContextOf): void {
  command
    .argument('<stage>', STAGE_NAMES.join(', '), checked(oneStage))
    .option('--run <id>', 'only inputs of this run', checked(word))
    .option('--mailbox <mailbox>', 'only inputs of this mailbox', checked(parseMailboxId))
    .option('--since <time>', 'only inputs from this time on, such as 2026-11-23T09:30:00Z', checked(parseTime))
    .option('--until <time>', 'only inputs up to this time', checked(parseTime))
    .option('--message <id>', 'only inputs that mention this message', checked(word))
    .addOption(
      new Option(
        '--into <name>',
        'run the inputs through this stage and all later ones, in a sandbox that expires',
      ).conflicts('requeue'),
    )
    .option('--requeue', 'write the inputs back to their streams; the stages process them again')
    .option('--json', 'print one JSON object', false)
    .action(async (stage, options) => {
      if (!(await replay(contextOf(options), stage, options))) process.exitCode = FAILED
    })
}

/** The inputs to replay and the mode: a dry run, unless they go into a sandbox or back into their streams. */
export interface ReplayOptions {
  run?: string | undefined
  mailbox?: MailboxId | undefined
  /** Envelope times, in ms since 1970. */
  since?: number | undefined
  until?: number | undefined
  message?: string | undefined
  /** The name of the sandbox. */
  into?: string | undefined
  requeue?: boolean | undefined
}

/**
 * Replays recorded inputs of a stage. A dry run and a sandbox leave the real namespace unchanged, and return whether the output equals the
 * recorded one; requeueing processes the inputs again for real. Throws `misconfigured` when no input matches, or options conflict.
 */
export async function replay(context: CommandContext, name: StageName, options: ReplayOptions): Promise<boolean> {
  const { into, requeue: isRequeue, run, mailbox, since, until, message } = options
  const selection: Selection = { run, mailbox, since, until, message }
  if (into !== undefined && isRequeue) throw new MailError('misconfigured', 'use one of --into and --requeue')
  if (into !== undefined) sandboxPrefix(context.config.REDIS_PREFIX, into)
  if (isRequeue && Object.values(selection).every(value => value === undefined)) {
    throw new MailError(
      'misconfigured',
      'name the inputs to requeue with --run, --mailbox, --since, --until or --message',
    )
  }
  return withApp(context, async app => {
    const { signal } = context
    const stage = STAGES.find(one => one.name === name)
    if (!stage) throw new MailError('misconfigured', `"${name}" is not a stage`)
    if (into === undefined && !isRequeue) {
      const dry = await dryRun(stage, app, selection, signal)
      if (dry.inputs === 0) throw noMatch(name, selection)
      return printDryRun(context, dry)
    }
    const inputs = await selectInputs(app, stage, selection, signal)
    if (inputs.length === 0) throw noMatch(name, selection)
    if (into === undefined) return printRequeued(context, name, await requeue(app, stage, inputs, signal))
    return printReplayed(context, await inSandbox(context, app, { name, into, inputs }))
  })
}

/** Reads a time such as `2026-11-23T09:30:00Z` or `2026-11-23`, or ms since 1970; throws `misconfigured` with an example. */
export function parseTime(text: string): number {
  const time = /^\d{10,16}$/.test(text) ? Number(text) : /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(time)) return time
  throw new MailError(
    'misconfigured',
    `"${text}" is not a time: write 2026-11-23T09:30:00Z, or milliseconds since 1970`,
  )
}

async function inSandbox(
  { config, signal, terminal }: CommandContext,
  app: AppContext,
  { name, into, inputs }: { name: StageName; into: string; inputs: readonly Recorded[] },
): Promise<Replayed> {
  const stage = STAGES.find(one => one.name === name)
  if (!stage) throw new MailError('misconfigured', `"${name}" is not a stage`)
  const sandbox = await openSandbox(app, into)
  const quieter = config.LOG_LEVEL === 'info' ? 'warn' : config.LOG_LEVEL
  const log = createLog({ LOG_LEVEL: quieter }, 'mailsluice', terminal).child({ sandbox: sandbox.prefix })
  return replayInto(app, sandbox, { stage, inputs, log, signal })
}

function printDryRun({ json, print }: CommandContext, dry: DryRun): boolean {
  const { stage, inputs, same, differences, notAtHand, failed } = dry
  const ok = differences.length === 0 && failed.length === 0
  if (json) {
    print(JSON.stringify({ ok, ...dry }))
    return ok
  }
  const lines = [
    `${stage}: ${counted(inputs, 'recorded input')} re-run. ${verdict(same, differences)}`,
    ...differenceLines(differences),
    ...failed.map(({ id, error }) => `! ${id}  failed: ${error}`),
    ...notAtHandLines(notAtHand, 'not compared: records or cached messages they need have expired'),
  ]
  print(printableLines(lines))
  return ok
}

function printReplayed({ json, print }: CommandContext, replayed: Replayed): boolean {
  const { sandbox, inputs, leftOut, runs, same, differences, changedSince, notAtHand } = replayed
  const ok = differences.length === 0
  if (json) {
    print(JSON.stringify({ ok, ...replayed }))
    return ok
  }
  const others = leftOut > 0 ? ` (${leftOut} others follow from these, or lack their records)` : ''
  const lines = [
    `${sandbox}: ${counted(inputs, 'input')} written${others}.`,
    ...runs.map(run => {
      const state = run.failure ?? (run.settled ? 'settled' : 'unfinished')
      return `  run ${run.run}: ${FATES.map(fate => `${run.fates[fate]} ${fate}`).join(', ')}; ${counted(run.threads, 'thread')}, ${counted(run.tasks, 'task')}; ${state}`
    }),
    `Tasks: ${verdict(same, differences)}`,
    ...differenceLines(differences),
    ...notAtHandLines(changedSince, 'not compared: their messages are no longer cached, or labels have changed since'),
    ...notAtHandLines(notAtHand, 'counted as gone: they are no longer cached, and a replay calls no provider'),
    `Inspect the sandbox with REDIS_PREFIX=${sandbox}; it expires automatically.`,
  ]
  print(printableLines(lines))
  return ok
}

function printRequeued({ json, print }: CommandContext, name: StageName, { requeued, leftOut }: Requeued): boolean {
  const ok = requeued.length > 0
  if (json) {
    print(JSON.stringify({ ok, stage: name, requeued, leftOut }))
    return ok
  }
  const lines = [
    `${counted(requeued.length, 'input')} requeued for ${name}.`,
    ...requeued.map(({ id, replay }) => `  ${id} → ${replay}`),
    ...leftOut.map(({ id, why }) => `  ${id} left out: ${why}`),
  ]
  print(printableLines(lines))
  return ok
}

function noMatch(stage: StageName, selection: Selection): MailError {
  const given = Object.entries(selection).filter(([, value]) => value !== undefined)
  const words = given.map(([name, value]) => `${name} ${value}`).join(', ') || 'no filter at all'
  return new MailError('misconfigured', `the streams hold no input of ${stage} that matches ${words}`)
}

function verdict(same: number, differences: readonly Difference[]): string {
  const count = (kind: Difference['kind']) => differences.filter(one => one.kind === kind).length
  return `${same} same, ${count('changed')} changed, ${count('only now')} only now, ${count('only then')} only then.`
}

function notAtHandLines(ids: readonly string[], why: string): string[] {
  return ids.length > 0 ? [`${ids.length} ${why}`, ...ids.map(id => `? ${id}`)] : []
}

function counted(number: number, word: string): string {
  return `${number.toLocaleString('en')} ${word}${number === 1 ? '' : 's'}`
}
