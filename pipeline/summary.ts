import Table from 'cli-table3'
import { CALL_KINDS, type CallKind, type MailboxId, providerOf } from '../shared/mailbox.ts'
import type { RunRecord } from '../shared/redis/runs.ts'
import { FATES, type Fate } from '../shared/streams.ts'

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
  calls: Record<Exclude<CallKind, 'profile' | 'watch'>, number>
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
  const calls = CALL_KINDS.filter(kind => kind !== 'profile' && kind !== 'watch')
  return {
    ok: runs.length > 0 && runs.every(isWell),
    mailboxes: rest.mailboxes,
    runs: runs.length,
    messages: total(run => run.listed),
    threads: total(run => run.threads),
    tasks: total(run => run.tasks),
    fates: Object.fromEntries(FATES.map(fate => [fate, total(run => run.fates[fate])])) as Summary['fates'],
    calls: Object.fromEntries(calls.map(kind => [kind, total(run => run.calls[kind])])) as Summary['calls'],
    units: total(run => run.units),
    saved: total(rest.saved),
    seconds: Math.round(rest.seconds * 1000) / 1000,
    redis: rest.redis,
  }
}

/** The same for people: a row a run, and what it cost beside fetching each message by itself. */
export function summaryTable(runs: readonly RunRecord[], summary: Summary): string {
  const table = new Table({
    head: [
      'mailbox',
      'messages',
      'fetched',
      'cached',
      'gone',
      'dead',
      'set aside',
      'threads',
      'tasks',
      'calls',
      'units',
      'seconds',
      '',
    ],
    style: { head: [], border: [] },
    colAligns: ['left', ...Array.from({ length: 11 }, () => 'right' as const), 'left'],
  })
  for (const run of worthTelling(runs)) {
    const { fates } = run
    const seconds = (((run.endedAt ?? run.startedAt) - run.startedAt) / 1000).toFixed(2)
    const state = isWell(run) ? 'ok' : (run.failure ?? (run.addsUp ? unfinished(run) : 'does not add up'))
    table.push([
      run.mailbox,
      run.listed,
      fates.fetched,
      fates.cached,
      fates.gone,
      fates.dead,
      fates.deferred,
      run.threads,
      run.tasks,
      callsOf(run),
      run.units,
      seconds,
      state,
    ])
  }
  return `${table.toString()}\n${verdict(runs, summary)}`
}

// What looked in vain is told of only where nothing else is.
function worthTelling(runs: readonly RunRecord[]): readonly RunRecord[] {
  const busy = new Set(runs.filter(isTold).map(({ mailbox }) => mailbox))
  return runs.filter(run => isTold(run) || !busy.has(run.mailbox))

  function isTold(run: RunRecord): boolean {
    return run.listed > 0 || run.tasks > 0 || !isWell(run)
  }
}

function callsOf(run: RunRecord): number {
  return CALL_KINDS.reduce((sum, kind) => sum + run.calls[kind], 0)
}

// Where listings bring the messages, others ask for each all the same.
function oneByOne({ mailbox, calls, fates }: RunRecord): number {
  const brought = providerOf(mailbox as MailboxId) === 'outlook' ? fates.cached : 0
  return calls.list + calls.history + calls.delta + fates.fetched + fates.gone + brought
}

/** The provider calls of a run by their kinds, such as `30 delta, 1 list`. */
export function callsByKind({ calls }: RunRecord): string {
  const made = CALL_KINDS.flatMap(kind => (calls[kind] > 0 ? [`${calls[kind]} ${kind}`] : []))
  return made.length > 0 ? made.join(', ') : '0'
}

function verdict(runs: readonly RunRecord[], { messages, calls, tasks, units, saved }: Summary): string {
  const made = Object.values(calls).reduce((sum, count) => sum + count, 0)
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
