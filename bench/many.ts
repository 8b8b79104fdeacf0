import { availableParallelism, loadavg } from 'node:os'
import type { Profile } from '../sim/profile.ts'
import { type BurstFigures, measureBurst } from './many/burst.ts'
import { type FaultFigures, measureFaults } from './many/faults.ts'
import { type LiveFigures, measureLive } from './many/live.ts'
import { measureSick, type SickFigures } from './many/sick.ts'

/** The parts that can be measured alone; `faults` takes minutes and runs only when it is named. */
export const PARTS = ['many', 'live', 'sick', 'faults'] as const
/** A part of the bench. */
export type Part = (typeof PARTS)[number]

/** The options of the bench of many mailboxes. */
export interface ManyOptions {
  mailboxes: number
  messages: number
  fetchers: number
  profile: Profile
  onePartition: boolean
  kill: boolean
  /** Measures only this part. */
  only?: Part | undefined
  say: (line: string) => void
  signal: AbortSignal
}

/** The cost of many mailboxes and their effect on each other; the figures of parts that were not measured are absent. */
export interface ManyFigures extends Partial<BurstFigures & LiveFigures & SickFigures> {
  mailboxes: number
  /** The load per processor in the minute before. Latencies mean little above 0.5. */
  loadBefore: number
  faults?: FaultFigures[]
}

const FULL_MAILBOXES = 20

/** Measures many mailboxes at once, new mail during a backfill, and healthy mailboxes beside a failing one. */
export async function measureMany(options: ManyOptions): Promise<ManyFigures> {
  const { mailboxes, only, say, signal } = options
  const includes = (part: Part) => only === undefined || only === part
  const loadBefore = (loadavg()[0] ?? 0) / availableParallelism()
  let figures: ManyFigures = { mailboxes, loadBefore }
  if (includes('many')) {
    const burst = await measureBurst(options)
    figures = { ...figures, ...burst }
    say(
      `${mailboxes} mailboxes with ${options.messages} new mails each, ${options.fetchers} fetchers:  ` +
        `${burst.callsPerMailbox.toFixed(2)} calls a mailbox (ideal ${burst.idealCalls}),  ${burst.seconds.toFixed(2)} s ` +
        `(critical path ${burst.criticalPathSeconds.toFixed(2)} s, ratio ${burst.ratio.toFixed(2)}),  ` +
        `units ${burst.unitsRatio.toFixed(3)} times the least,  ${inPercent(burst.cpuShare)} of the CPU,  ${burst.rssMb ?? '?'} MB resident`,
    )
  }
  const sizes = sizesFor(mailboxes)
  if (only === 'faults') {
    const onFigures = (one: FaultFigures) => say(inWords(one))
    const faults = await measureFaults({ mails: sizes.mails, pairs: Math.ceil(sizes.pairs / 2), onFigures, signal })
    figures = { ...figures, faults }
  }
  if (includes('live')) {
    const live = await measureLive({ ...sizes, signal })
    figures = { ...figures, ...live }
    say(
      `${sizes.mails} new mails, delivery to task:  alone p50 ${inMs(live.liveAloneP50)}, p95 ${inMs(live.liveAloneP95)};  ` +
        `during ${sizes.backfills} backfills p50 ${inMs(live.liveUnderBackfillP50)}, p95 ${inMs(live.liveUnderBackfillP95)};  ` +
        `the backfills keep ${(live.bulkShare * 100).toFixed(0)} % of their ${live.bulkPerSecond.toFixed(0)} messages a second`,
    )
  }
  if (includes('sick')) {
    const sick = await measureSick({ ...sizes, signal })
    figures = { ...figures, ...sick }
    say(
      `healthy mailboxes, delivery to task p95:  ${inMs(sick.healthyP95)};  beside a failing one ${inMs(sick.besideSickP95)} ` +
        `(${sick.sickBesideHealthyP95Ratio.toFixed(2)} times)`,
    )
  }
  return figures
}

/** Returns the sizes of the parts. Few mailboxes give a short smoke test, whose latencies mean little. */
function sizesFor(mailboxes: number) {
  if (mailboxes < FULL_MAILBOXES)
    return { backfills: 3, mailsEach: 600, mails: 4, windowMs: 1000, rampMs: 500, pairs: 1 }
  return { backfills: 50, mailsEach: 1500, mails: 40, windowMs: 10_000, rampMs: 5000, pairs: 4 }
}

function inPercent(share: number | undefined): string {
  return share === undefined ? '?' : `${(share * 100).toFixed(0)} %`
}

function inMs(ms: number): string {
  return `${ms.toFixed(0)} ms`
}

function inWords({ fault, withoutP95, besideP95, restSeconds }: FaultFigures): string {
  const rest = restSeconds === undefined ? '' : `;  the rest of its mail is emitted in ${restSeconds.toFixed(1)} s`
  return `${fault}:  other mailboxes, delivery to task p95 ${inMs(withoutP95)} without, ${inMs(besideP95)} beside${rest}`
}
