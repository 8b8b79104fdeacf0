import { CALL_KINDS, type CallKind, type MailboxId, providerOf } from '../../shared/mailbox.ts'
import type { RunRecord } from '../../shared/redis/runs.ts'
import { FATES, type Fate } from '../../shared/streams.ts'
import { table } from '../base/table.ts'

/** What `up --once` did, as it prints it with `--json`. */
export interface Summary {
  /** Every run ended, none failed, and every listed id has its fate; none is dead, or set aside, and no thread given up. */
  ok: boolean
  mailboxes: number
  runs: number
  messages: number
  threads: number
  tasks: number
  fates: Record<Fate, number>
  /** Every provider call of its runs, by kind. */
  calls: Record<CallKind, number>
  /** What the provider counted against its quota, listing included. */
  units: number
  /** How much more it would have been message by message. */
  saved: number
  seconds: number
  redis: string
}

/** Sums up runs. */
export function summarise(
  runs: readonly RunRecord[],
  rest: { mailboxes: number; seconds: number; redis: string; saved: (run: RunRecord) => number },
): Summary {
  const total = (count: (run: RunRecord) => number) => runs.reduce((sum, run) => sum + count(run), 0)
  return {
    ok: runs.length > 0 && runs.every(isWell),
    mailboxes: rest.mailboxes,
    runs: runs.length,
    messages: total(run => run.listed),
    threads: total(run => run.threads),
    tasks: total(run => run.tasks),
    fates: Object.fromEntries(FATES.map(fate => [fate, total(run => run.fates[fate])])) as Summary['fates'],
    calls: Object.fromEntries(CALL_KINDS.map(kind => [kind, total(run => run.calls[kind])])) as Summary['calls'],
    units: total(run => run.units),
    saved: total(rest.saved),
    seconds: Math.round(rest.seconds * 1000) / 1000,
    redis: rest.redis,
  }
}

const HEAD = [
  'mailbox',
  'messages',
  'fetched',
  'cached',
  'gone',
  'filtered',
  'dead',
  'set aside',
  'threads',
  'tasks',
  'calls',
  'units',
  'seconds',
  '',
]

/** The same for people: a row a run, and what it cost beside fetching each message by itself. The rows add up to what the last line says. */
export function summaryTable(runs: readonly RunRecord[], summary: Summary): string {
  const rows = table(HEAD, 1, { lastIsText: true })
  for (const { run, calls, units } of worthTelling(runs)) {
    const { fates } = run
    const seconds = (((run.endedAt ?? run.startedAt) - run.startedAt) / 1000).toFixed(2)
    const state = isWell(run) ? 'ok' : (run.failure ?? (run.addsUp ? unfinished(run) : 'does not add up'))
    rows.push([
      run.mailbox,
      run.listed,
      fates.fetched,
      fates.cached,
      fates.gone,
      fates.filtered,
      fates.dead,
      fates.deferred,
      run.threads,
      run.tasks,
      calls,
      units,
      seconds,
      state,
    ])
  }
  return `${rows.toString()}\n${verdict(runs, summary)}`
}

/** A run with a row of its own, and what it cost with the looks beside it that have none. */
interface Row {
  run: RunRecord
  calls: number
  units: number
}

// What looked in vain is told of only where nothing else is; its cost is told in any case.
function worthTelling(runs: readonly RunRecord[]): readonly Row[] {
  const rows = runs.filter(isTold).map(rowOf)
  const first = new Map<string, Row>()
  for (const row of rows) if (!first.has(row.run.mailbox)) first.set(row.run.mailbox, row)
  for (const run of runs) {
    if (isTold(run)) continue
    const row = first.get(run.mailbox)
    if (row) Object.assign(row, { calls: row.calls + callsOf(run), units: row.units + run.units })
    else rows.push(rowOf(run))
  }
  return rows

  function isTold(run: RunRecord): boolean {
    return run.listed > 0 || run.tasks > 0 || !isWell(run)
  }

  function rowOf(run: RunRecord): Row {
    return { run, calls: callsOf(run), units: run.units }
  }
}

function callsOf({ calls }: Pick<RunRecord, 'calls'>): number {
  return CALL_KINDS.reduce((sum, kind) => sum + calls[kind], 0)
}

// Where listings bring the messages, others ask for each all the same.
function oneByOne({ mailbox, calls, fates }: RunRecord): number {
  const brought = providerOf(mailbox as MailboxId) === 'outlook' ? fates.cached : 0
  const besides = calls.list + calls.history + calls.delta + calls.profile + calls.watch
  return besides + fates.fetched + fates.gone + brought
}

/** The provider calls of a run by their kinds, such as `30 delta, 1 list`. */
export function callsByKind({ calls }: RunRecord): string {
  const made = CALL_KINDS.flatMap(kind => (calls[kind] > 0 ? [`${calls[kind]} ${kind}`] : []))
  return made.length > 0 ? made.join(', ') : '0'
}

function verdict(runs: readonly RunRecord[], { messages, calls, tasks, units, saved }: Summary): string {
  const made = callsOf({ calls })
  if (messages === 0) return `Nothing new, for ${count(made, 'provider call')}.`
  const others = runs.reduce((sum, run) => sum + oneByOne(run), 0)
  const instead = others > made ? ` instead of ${others}` : ''
  const cheaper =
    saved > 0 ? ` and ${count(units, 'unit')} of quota instead of ${(units + saved).toLocaleString('en')}` : ''
  return `${count(messages, 'message')} became ${count(tasks, 'analysis task')}, with ${count(made, 'provider call')}${instead}${cheaper}.`
}

function unfinished({ fates, givenUp }: RunRecord): string {
  if (givenUp > 0) return `${count(givenUp, 'thread')} given up`
  if (fates.dead > 0) return `${fates.dead} given up`
  return fates.deferred > 0 ? `${fates.deferred} set aside, to be tried again` : 'unfinished'
}

function count(number: number, word: string): string {
  return `${number.toLocaleString('en')} ${word}${number === 1 ? '' : 's'}`
}

function isWell(run: RunRecord): boolean {
  const { fates, givenUp } = run
  const isLess = fates.dead + fates.deferred + givenUp > 0
  return run.endedAt !== undefined && run.failure === undefined && run.addsUp && !isLess
}
