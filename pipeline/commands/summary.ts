import { CALL_KINDS, type CallKind, type MailboxId, providerOf } from '../../shared/mailbox.ts'
import { traitsOf } from '../../shared/provider/traits.ts'
import type { RunRecord } from '../../shared/redis/runs.ts'
import { FATES, type Fate } from '../../shared/streams.ts'
import { table } from '../base/table.ts'

/** The outcome of `up --once`, as `--json` prints it. */
export interface Summary {
  /** Every run ended without failure and every listed id has its fate; no message is dead or deferred, no thread dead-lettered. */
  ok: boolean
  mailboxes: number
  runs: number
  messages: number
  threads: number
  tasks: number
  fates: Record<Fate, number>
  /** All provider calls of the runs, by kind. */
  calls: Record<CallKind, number>
  /** Quota units that the provider counted, listing included. */
  units: number
  /** The additional units that fetching message by message would have cost. */
  saved: number
  seconds: number
  redis: string
}

/** Adds up the figures of runs. */
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

const HEAD = ['mailbox', 'messages', ...FATES, 'threads', 'tasks', 'calls', 'units', 'seconds', '']

/** Renders a summary for people: one row per run, then the totals compared with fetching message by message. The rows add up to the last line. */
export function summaryTable(runs: readonly RunRecord[], summary: Summary): string {
  const rows = table(HEAD, 1, { lastIsText: true })
  for (const { run, calls, units } of rowsOf(runs)) {
    const seconds = (((run.endedAt ?? run.startedAt) - run.startedAt) / 1000).toFixed(2)
    const state = isWell(run) ? 'ok' : (run.failure ?? (run.addsUp ? unfinished(run) : 'counts do not add up'))
    const fates = FATES.map(fate => run.fates[fate])
    rows.push([run.mailbox, run.listed, ...fates, run.threads, run.tasks, calls, units, seconds, state])
  }
  return `${rows.toString()}\n${verdict(runs, summary)}`
}

/** A run with its own row; the cost includes the runs of the mailbox that found nothing and have no row. */
interface Row {
  run: RunRecord
  calls: number
  units: number
}

// A run that found nothing has a row only where its mailbox has no other; its cost counts in any case.
function rowsOf(runs: readonly RunRecord[]): readonly Row[] {
  const rows = runs.filter(hasRow).map(rowOf)
  const first = new Map<string, Row>()
  for (const row of rows) if (!first.has(row.run.mailbox)) first.set(row.run.mailbox, row)
  for (const run of runs) {
    if (hasRow(run)) continue
    const row = first.get(run.mailbox)
    if (row) Object.assign(row, { calls: row.calls + callsOf(run), units: row.units + run.units })
    else rows.push(rowOf(run))
  }
  return rows

  function hasRow(run: RunRecord): boolean {
    return run.listed > 0 || run.tasks > 0 || !isWell(run)
  }

  function rowOf(run: RunRecord): Row {
    return { run, calls: callsOf(run), units: run.units }
  }
}

function callsOf({ calls }: Pick<RunRecord, 'calls'>): number {
  return CALL_KINDS.reduce((sum, kind) => sum + calls[kind], 0)
}

// A message-by-message client fetches each message, even where a listing includes it.
function oneByOne({ mailbox, calls, fates }: RunRecord): number {
  const brought = traitsOf(providerOf(mailbox as MailboxId)).listsMessages ? fates.cached : 0
  const besides = calls.list + calls.history + calls.delta + calls.profile + calls.watch
  return besides + fates.fetched + fates.gone + brought
}

/** Lists the provider calls of a run by kind, such as `30 delta, 1 list`. */
export function callsByKind({ calls }: RunRecord): string {
  const made = CALL_KINDS.flatMap(kind => (calls[kind] > 0 ? [`${calls[kind]} ${kind}`] : []))
  return made.length > 0 ? made.join(', ') : '0'
}

function verdict(runs: readonly RunRecord[], { messages, calls, tasks, units, saved }: Summary): string {
  const total = callsOf({ calls })
  if (messages === 0) return `No new messages; ${count(total, 'provider call')}.`
  const others = runs.reduce((sum, run) => sum + oneByOne(run), 0)
  const instead = others > total ? ` instead of ${others}` : ''
  const cheaper =
    saved > 0 ? ` and ${count(units, 'unit')} of quota instead of ${(units + saved).toLocaleString('en')}` : ''
  return `${count(messages, 'message')} became ${count(tasks, 'analysis task')}, with ${count(total, 'provider call')}${instead}${cheaper}.`
}

function unfinished({ fates, givenUp }: RunRecord): string {
  if (givenUp > 0) return `${count(givenUp, 'thread')} dead-lettered`
  if (fates.dead > 0) return `${fates.dead} dead-lettered`
  return fates.deferred > 0 ? `${fates.deferred} deferred, to be retried` : 'unfinished'
}

function count(number: number, word: string): string {
  return `${number.toLocaleString('en')} ${word}${number === 1 ? '' : 's'}`
}

function isWell(run: RunRecord): boolean {
  const { fates, givenUp } = run
  const isIncomplete = fates.dead + fates.deferred + givenUp > 0
  return run.endedAt !== undefined && run.failure === undefined && run.addsUp && !isIncomplete
}
