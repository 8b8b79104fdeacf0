import { requestSync } from '../../pipeline/accounts/request-sync.ts'
import { addressOf, type MailboxId, type Provider } from '../../shared/mailbox.ts'
import { pauseMailbox, resumeMailbox } from '../../shared/redis/mailboxes.ts'
import type { Denial } from '../../sim/denials.ts'
import { mailsFor } from './mail.ts'
import { type Mailer, openMailer } from './mailer.ts'
import { percentile } from './percentile.ts'
import { connectAll, startPipeline } from './pipeline.ts'
import { type Rig, withRig } from './rig.ts'
import { round } from './round.ts'
import { untilSettled } from './settled.ts'
import { type Tasks, watchTasks } from './tasks.ts'

/** The options for measuring healthy mailboxes beside one with a permanent fault. */
export interface FaultsOptions {
  /** New mails for the healthy mailboxes in each round. */
  mails: number
  /** The number of measurements per fault, each paired with a healthy mailbox that gets the same mail. */
  pairs: number
  /** Called after the measurement of each fault. */
  onFigures: (figures: FaultFigures) => void
  signal: AbortSignal
}

/** The effect of one fault: delivery to task of healthy mailboxes, p95 in ms, medians of the rounds. */
export interface FaultFigures {
  fault: FaultName
  withoutP95: number
  besideP95: number
  /** Seconds until the last healthy message of the failing mailbox became a task, in the slowest round; absent when none is healthy. */
  restSeconds?: number
}

const CALL_MS = 100
const HEALTHY = 20
const SICK_MAILS = 160
const REST_MS = 2000
const REST_WITHIN_MS = 60_000
const DEADLINE_MS = 900_000
const SICK_FOLDER = 'Receipts'

interface Fault {
  provider: Provider
  what: 'message' | 'folder' | 'account'
  refusal: Omit<Denial, 'path' | 'addresses'>
}

/** Permanent faults of one message, folder or mailbox. */
export const FAULTS = {
  'gmail-message-500': { provider: 'gmail', what: 'message', refusal: { status: 500, reason: 'backendError' } },
  'gmail-account-403': {
    provider: 'gmail',
    what: 'account',
    refusal: { status: 403, reason: 'forbidden', message: 'Delegation denied for somebody' },
  },
  'gmail-token-401': { provider: 'gmail', what: 'account', refusal: { status: 401, reason: 'authError' } },
  'outlook-folder-500': {
    provider: 'outlook',
    what: 'folder',
    refusal: { status: 500, reason: 'ErrorInternalServerError' },
  },
  'outlook-folder-403': { provider: 'outlook', what: 'folder', refusal: { status: 403, reason: 'ErrorAccessDenied' } },
  'outlook-folder-400': {
    provider: 'outlook',
    what: 'folder',
    refusal: { status: 400, reason: 'ErrorInvalidRequest' },
  },
  'outlook-account-403': {
    provider: 'outlook',
    what: 'account',
    refusal: { status: 403, reason: 'ErrorAccountSuspend' },
  },
  'outlook-token-401': {
    provider: 'outlook',
    what: 'account',
    refusal: { status: 401, reason: 'InvalidAuthenticationToken' },
  },
} as const satisfies Record<string, Fault>
/** The name of a fault. */
export type FaultName = keyof typeof FAULTS

/** Measures each fault in turn, with providers that answer every call in 100 ms. */
export async function measureFaults(options: FaultsOptions): Promise<FaultFigures[]> {
  const names = Object.keys(FAULTS) as FaultName[]
  const of = (provider: Provider) => {
    const own = names.filter(name => FAULTS[name].provider === provider)
    const paired = own.flatMap(name => pairsOf(name, options.pairs)).flatMap(pair => [pair.sick, pair.well])
    return [...healthyOf(provider), ...paired].map(mailbox => ({ address: addressOf(mailbox), messages: 1 }))
  }
  const plan = { profile: 'instant', latencyMs: CALL_MS, mailboxes: of('gmail'), outlook: of('outlook') } as const
  const figures: FaultFigures[] = []
  await withRig({ name: 'faults', ...plan, deadlineMs: DEADLINE_MS, signal: options.signal }, async rig => {
    const { redis, keys, now } = rig.app
    const paired = names.flatMap(name => pairsOf(name, options.pairs)).flatMap(({ sick, well }) => [sick, well])
    await connectAll(rig, [...healthyOf('gmail'), ...healthyOf('outlook'), ...paired])
    const begunAt = now()
    await startPipeline(rig, 1)
    const all = [...healthyOf('gmail'), ...healthyOf('outlook'), ...paired]
    await Promise.all(all.map(mailbox => requestSync(rig.app, mailbox)))
    await untilSettled(rig, all, { since: begunAt })
    await Promise.all(paired.map(mailbox => pauseMailbox(redis, keys, mailbox, now())))
    const tasks = watchTasks(rig)
    try {
      for (const provider of ['gmail', 'outlook'] as const) {
        const mailer = await openMailer(rig, healthyOf(provider), tasks)
        await round(rig, mailer, options.mails)
        for (const name of names.filter(name => FAULTS[name].provider === provider)) {
          const result = await measureFault({ rig, tasks, mailer }, name, options)
          figures.push(result)
          options.onFigures(result)
        }
      }
    } finally {
      tasks.stop()
    }
  })
  return figures
}

interface Bench {
  rig: Rig
  tasks: Tasks
  mailer: Mailer
}

async function measureFault(bench: Bench, fault: FaultName, { pairs, mails }: FaultsOptions): Promise<FaultFigures> {
  const without: number[] = []
  const beside: number[] = []
  const rests: number[] = []
  for (const [index, { sick, well }] of pairsOf(fault, pairs).entries()) {
    const measureWell = async () => void without.push((await measureBeside(bench, well, fault, mails, false)).p95)
    if (index % 2 === 0) await measureWell()
    const { p95, restSeconds } = await measureBeside(bench, sick, fault, mails, true)
    beside.push(p95)
    if (restSeconds !== undefined) rests.push(restSeconds)
    if (index % 2 === 1) await measureWell()
  }
  const [withoutP95, besideP95] = [percentile(without, 0.5), percentile(beside, 0.5)]
  return { fault, withoutP95, besideP95, ...(rests.length > 0 ? { restSeconds: Math.max(...rests) } : {}) }
}

/** Delivers mail to one mailbox, injects the fault if it has to fail, and measures the healthy mailboxes meanwhile. */
async function measureBeside(
  { rig, tasks, mailer }: Bench,
  mailbox: MailboxId,
  fault: FaultName,
  mails: number,
  isSick: boolean,
): Promise<{ p95: number; restSeconds?: number }> {
  const { app, sim, pause } = rig
  const { redis, keys, now } = app
  const { provider, what, refusal } = FAULTS[fault]
  const address = addressOf(mailbox)
  const { healthy, sick } = await deliverAll(rig, mailbox, what)
  const denials = isSick ? [{ ...refusal, path: sick, addresses: [address] }] : []
  await (provider === 'gmail' ? sim : sim.graph).setFaults({ denials })
  await resumeMailbox(redis, keys, mailbox, { unpause: true, now: Date.now() })
  const begunAt = now()
  await requestSync(app, mailbox)
  const p95 = await round(rig, mailer, mails)
  const written = what === 'account' ? [] : await Promise.all(healthy.map(id => tasks.writtenAt(id, REST_WITHIN_MS)))
  const lost = written.filter(at => at === undefined).length
  if (lost > 0) throw new Error(`${fault}: ${lost} healthy messages became no task within a minute`)
  await pauseMailbox(redis, keys, mailbox, now())
  await (provider === 'gmail' ? sim : sim.graph).setFaults({})
  await pause(REST_MS)
  if (!isSick || what === 'account') return { p95 }
  return { p95, restSeconds: (Math.max(...written.map(at => at ?? 0)) - begunAt) / 1000 }
}

/** Delivers mail, part of which fails; returns the ids of the rest, and the part of a path that selects the failing requests. */
async function deliverAll({ sim, signal }: Rig, mailbox: MailboxId, what: Fault['what']) {
  const address = addressOf(mailbox)
  const healthy: string[] = []
  let sick = mailbox.startsWith('gmail:') ? '/gmail/v1/users/' : '/v1.0/'
  if (what === 'folder') sick = (await sim.graph.createFolder(address, SICK_FOLDER)).id
  for (const [index, raw] of mailsFor(address, 'new', SICK_MAILS).entries()) {
    signal.throwIfAborted()
    const isInSickFolder = what === 'folder' && index % 2 === 1
    const { id } = await (mailbox.startsWith('gmail:')
      ? sim.deliver(address, raw)
      : sim.graph.deliver(address, raw, isInSickFolder ? SICK_FOLDER : undefined))
    // The second message has a thread of its own.
    if (what === 'message' && index === 1) sick = id
    else if (!isInSickFolder) healthy.push(id)
  }
  return { healthy, sick }
}

function pairsOf(fault: FaultName, pairs: number): { sick: MailboxId; well: MailboxId }[] {
  const { provider } = FAULTS[fault]
  return Array.from({ length: pairs }, (_, n) => ({
    sick: `${provider}:sick-${n}-${fault}@example.com`,
    well: `${provider}:well-${n}-${fault}@example.com`,
  }))
}

function healthyOf(provider: Provider): MailboxId[] {
  return Array.from({ length: HEALTHY }, (_, n): MailboxId => `${provider}:healthy${n}@example.com`)
}
