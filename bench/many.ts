import type { Profile } from '../sim/profile.ts'
import { type BurstFigures, measureBurst } from './many/burst.ts'

/** The parts that can be measured alone. */
export const PARTS = ['many', 'live', 'sick'] as const
export type Part = (typeof PARTS)[number]

export interface ManyOptions {
  mailboxes: number
  messages: number
  fetchers: number
  profile: Profile
  onePartition: boolean
  kill: boolean
  /** This part only. */
  only?: Part | undefined
  say: (line: string) => void
  signal: AbortSignal
}

/** What many mailboxes cost and how they get in each other's way; the figures of parts that were not measured are absent. */
export interface ManyFigures extends Partial<BurstFigures> {
  mailboxes: number
}

/** Measures many mailboxes at once, new mail beside a backfill, and healthy mailboxes beside a sick one. */
export async function measureMany(options: ManyOptions): Promise<ManyFigures> {
  const { mailboxes, only, say } = options
  const does = (part: Part) => only === undefined || only === part
  let figures: ManyFigures = { mailboxes }
  if (does('many')) {
    const burst = await measureBurst(options)
    figures = { ...figures, ...burst }
    say(
      `${mailboxes} mailboxes with ${options.messages} new mails each, ${options.fetchers} fetchers:  ` +
        `${burst.callsPerMailbox.toFixed(2)} calls a mailbox (ideal ${burst.idealCalls}),  ${burst.seconds.toFixed(2)} s ` +
        `(critical path ${burst.criticalPathSeconds.toFixed(2)} s, ratio ${burst.ratio.toFixed(2)}),  ` +
        `units ${burst.unitsRatio.toFixed(3)} times the least,  ${burst.rssMb ?? '?'} MB resident`,
    )
  }
  return figures
}
