import { requestSync } from '../../pipeline/accounts/request-sync.ts'
import { addressOf, type MailboxId } from '../../shared/mailbox.ts'
import { pauseMailbox, resumeMailbox } from '../../shared/redis/mailboxes.ts'
import { openMailer } from './mailer.ts'
import { percentile } from './percentile.ts'
import { connectAll, startPipeline } from './pipeline.ts'
import { type Rig, withRig } from './rig.ts'
import { round } from './round.ts'
import { watchTasks } from './tasks.ts'

/** The options for measuring healthy mailboxes beside one that the provider refuses. */
export interface SickOptions {
  /** New mails for the twenty healthy mailboxes in each round. */
  mails: number
  /** The number of pairs of rounds, one with a failing mailbox and one without. */
  pairs: number
  signal: AbortSignal
}

/** The effect of a failing mailbox on healthy ones. */
export interface SickFigures {
  /** The 95th percentile of delivery to task beside a failing mailbox, divided by the one without; medians of the rounds. */
  sickBesideHealthyP95Ratio: number
  /** The medians without and beside a failing mailbox, in ms. */
  healthyP95: number
  besideSickP95: number
}

const CALL_MS = 100
const HEALTHY = 20
const MAILS_BEFORE = 1
// Two listing pages of a first sync: the most that a run has in flight.
const SICK_MAILS = 1000
const PAGES = 2
const REFUSED = {
  // Each kind is drawn only when the one before it did not occur.
  rates: { 'throttled-until': 0.5, 'user-rate-limit': 1 },
  retryAfterSeconds: 1,
} as const
const DEADLINE_MS = 600_000
// Time for the in-flight work of a paused mailbox to finish.
const REST_MS = 2000

/** Measures rounds with and without a failing mailbox in turn, with a new failing one each time, and a provider that answers every call in 100 ms. */
export async function measureSick(options: SickOptions): Promise<SickFigures> {
  const healthy = Array.from({ length: HEALTHY }, (_, n) => `healthy${n}@example.com`)
  const sick = Array.from({ length: options.pairs }, (_, n) => `sick${n}@example.com`)
  const mailboxes = [
    ...healthy.map(address => ({ address, messages: MAILS_BEFORE })),
    ...sick.map(address => ({ address, messages: SICK_MAILS })),
  ]
  const { signal } = options
  return withRig(
    { name: 'sick', profile: 'instant', latencyMs: CALL_MS, mailboxes, deadlineMs: DEADLINE_MS, signal },
    rig => measure(rig, { healthy: healthy.map(named), sick: sick.map(named) }, options),
  )
}

async function measure(
  rig: Rig,
  { healthy, sick }: { healthy: readonly MailboxId[]; sick: readonly MailboxId[] },
  { mails }: SickOptions,
): Promise<SickFigures> {
  const { redis, keys, now } = rig.app
  await connectAll(rig, [...healthy, ...sick])
  await Promise.all(sick.map(mailbox => pauseMailbox(redis, keys, mailbox, now())))
  await startPipeline(rig, 1)
  const tasks = watchTasks(rig)
  try {
    const mailer = await openMailer(rig, healthy, tasks)
    // The first round is a warm-up: it is slower than the others.
    await round(rig, mailer, mails)
    const without: number[] = []
    const beside: number[] = []
    const measureWithout = async () => void without.push(await round(rig, mailer, mails))
    for (const [index, mailbox] of sick.entries()) {
      const isWithoutFirst = index % 2 === 0
      if (isWithoutFirst) await measureWithout()
      await fallSick(rig, mailbox)
      beside.push(await round(rig, mailer, mails))
      await pauseMailbox(redis, keys, mailbox, now())
      await rig.pause(REST_MS)
      if (!isWithoutFirst) await measureWithout()
    }
    const [healthyP95, besideSickP95] = [percentile(without, 0.5), percentile(beside, 0.5)]
    return { sickBesideHealthyP95Ratio: besideSickP95 / healthyP95, healthyP95, besideSickP95 }
  } finally {
    tasks.stop()
  }
}

/** Lets a mailbox list its mail, and then refuses every call: nearly all of the mail remains to be fetched. */
async function fallSick({ app, sim, until, pause }: Rig, mailbox: MailboxId): Promise<void> {
  const address = addressOf(mailbox)
  await resumeMailbox(app.redis, app.keys, mailbox, { unpause: true, now: app.now() })
  await requestSync(app, mailbox)
  await until(async () => {
    const { mailboxes } = await sim.spent()
    return (mailboxes[address]?.methods['messages.list'] ?? 0) >= PAGES || undefined
  })
  // A call is counted on arrival, and refused when it is answered.
  await pause(CALL_MS)
  await sim.setFaults({ ...REFUSED, addresses: [address] })
}

function named(address: string): MailboxId {
  return `gmail:${address}`
}
