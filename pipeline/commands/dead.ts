import { type Command, Option } from 'commander'
import { MailError } from '../../shared/error.ts'
import {
  countDead,
  DEAD_LETTER_SOURCES,
  type DeadLetter,
  type DeadLetterSource,
  dropDead,
  listDead,
  readDead,
  redriveDead,
} from '../../shared/redis/dead.ts'
import type { AppContext } from '../base/app.ts'
import type { CommandContext, ContextOf } from '../base/command-context.ts'
import { table } from '../base/table.ts'
import { printableLines } from '../base/terminal.ts'
import { utcTime } from '../base/times.ts'
import { checked, wholeNumber } from './arguments.ts'
import { withApp, withReadableApp } from './with-app.ts'

/** Adds `list`, `show`, `redrive` and `drop` to `dead`. */
export function define(dead: Command, contextOf: ContextOf): void {
  dead.helpCommand(false)
  const stage = () =>
    new Option('--stage <name>', 'only dead letters of this stage or of the gateway').argParser(checked(parseSource))
  dead
    .command('list')
    .description('list dead letters, oldest first')
    .addOption(stage())
    .option('--limit <count>', 'show at most this many', checked(wholeNumber(1, 10_000)), 100)
    .option('--json', 'print one JSON object', false)
    .action(options => deadList(contextOf(options), options))
  dead
    .command('show')
    .description('show one dead letter in full')
    .argument('<name>', 'a name from `dead list`')
    .option('--json', 'print one JSON object', false)
    .action((name, options) => deadShow(contextOf(options), name))
  for (const [name, act] of Object.entries({ redrive: deadRedrive, drop: deadDrop })) {
    dead
      .command(name)
      .description(name === 'redrive' ? 'retry dead letters' : 'delete dead letters permanently')
      .argument('[name]', 'a name from `dead list`')
      .option('--all', 'select all dead letters', false)
      .addOption(stage())
      .option('--json', 'print one JSON object', false)
      .action((letter, options) => act(contextOf(options), { name: letter, all: options.all, stage: options.stage }))
  }
}

/** A selection of dead letters: one by name, or all of one stage or of every stage. */
export interface DeadSelection {
  name: string | undefined
  all: boolean
  stage: DeadLetterSource | undefined
}

const MAX_AT_ONCE = 10_000

/** Prints dead letters, oldest first, without any mail content. */
export async function deadList(
  context: CommandContext,
  options: { stage: DeadLetterSource | undefined; limit: number },
): Promise<void> {
  await withReadableApp(context, async ({ redis, keys }) => {
    const { stage, limit } = options
    const [letters, total] = await Promise.all([
      listDead(redis, keys, { limit, ...(stage ? { stage } : {}) }),
      countDead(redis, keys, stage),
    ])
    if (context.json) {
      context.print(JSON.stringify({ dead: letters.map(({ text: _, ...rest }) => rest), total }))
      return
    }
    const rows = table(['name', 'mailbox', 'kind', 'message', 'attempts', 'dead-lettered'], 4)
    for (const letter of letters) {
      rows.push([
        letter.name,
        letter.mailbox ?? '',
        letter.kind,
        letter.message,
        letter.attempts ?? '',
        timeOf(letter.lastAt),
      ])
    }
    if (letters.length === 0) return context.print('No dead letters.')
    const more = `The oldest ${letters.length} of ${total}: \`--limit ${Math.min(total, MAX_AT_ONCE)}\` shows more.`
    context.print(letters.length < total ? `${rows.toString()}\n${more}` : rows.toString())
  })
}

/** Prints one dead letter in full. */
export async function deadShow(context: CommandContext, name: string): Promise<void> {
  await withReadableApp(context, async ({ redis, keys }) => {
    const letter = await readDead(redis, keys, name)
    if (context.json) {
      context.print(JSON.stringify(letter))
      return
    }
    const { text, firstAt, lastAt, ...rest } = letter
    const facts = {
      ...rest,
      'first written': firstAt === undefined ? 'unknown' : timeOf(firstAt),
      'dead-lettered': timeOf(lastAt),
    }
    const width = Math.max(...Object.keys(facts).map(key => key.length))
    const lines = Object.entries(facts).map(([key, value]) => `${key.padEnd(width)}  ${value ?? ''}`)
    context.print([printableLines(lines), '', text].join('\n'))
  })
}

/** Redrives dead letters; concurrent callers redrive each of them once. */
export async function deadRedrive(context: CommandContext, selection: DeadSelection): Promise<void> {
  await withApp(context, async app => {
    const { redis, keys, now, newRunId } = app
    const done = await each(app, selection, letter =>
      redriveDead(redis, keys, letter, { now: now(), newRunId: newRunId() }),
    )
    context.print(context.json ? JSON.stringify({ redriven: done }) : `${done} redriven`)
  })
}

/** Deletes dead letters permanently. */
export async function deadDrop(context: CommandContext, selection: DeadSelection): Promise<void> {
  await withApp(context, async app => {
    const done = await each(app, selection, letter => dropDead(app.redis, app.keys, letter))
    context.print(context.json ? JSON.stringify({ dropped: done }) : `${done} dropped`)
  })
}

async function each(
  { redis, keys }: AppContext,
  { name, all, stage }: DeadSelection,
  act: (letter: DeadLetter) => Promise<boolean>,
): Promise<number> {
  if ((name === undefined) === !all) throw new MailError('misconfigured', 'name one dead letter, or pass --all')
  const letters =
    name === undefined
      ? await listDead(redis, keys, { limit: MAX_AT_ONCE, ...(stage ? { stage } : {}) })
      : [await readDead(redis, keys, name)]
  let done = 0
  for (const letter of letters) if (await act(letter)) done += 1
  return done
}

function timeOf(ms: number): string {
  return utcTime(ms, 'second')
}

/** Reads the name of a source of dead letters; throws `misconfigured` with the valid names. */
export function parseSource(text: string): DeadLetterSource {
  const name = DEAD_LETTER_SOURCES.find(one => one === text.trim())
  if (!name)
    throw new MailError('misconfigured', `"${text}" has no dead letters; use one of ${DEAD_LETTER_SOURCES.join(', ')}`)
  return name
}
