import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { connectIfNew, requestSync } from '../pipeline/accounts/request-sync.ts'
import { untilQuiet } from '../pipeline/commands/follow.ts'
import { freePort } from '../pipeline/embedded-redis/program.ts'
import { inheritedEnvironment } from '../shared/config.ts'
import type { MailboxId } from '../shared/mailbox.ts'
import { clientStateKeys, clientStateOf } from '../shared/outlook/client-state.ts'
import { subscriptionMemory } from '../shared/redis/subscriptions.ts'
import { type Child, logHolds } from './chaos/children.ts'
import type { Answers } from './gateway/attack.ts'
import { type Genuine, type PushFigures, sendGenuine } from './gateway/genuine.ts'
import { type Google, startGoogle } from './gateway/google.ts'
import { mailsFor } from './many/mail.ts'
import { percentile } from './many/percentile.ts'
import { type Rig, withRig } from './many/rig.ts'

/** The options of the gateway bench. */
export interface GatewayOptions {
  seconds: number
  connections: number
  say: (line: string) => void
  signal: AbortSignal
}

/** Latencies of genuine pushes, alone and during an attack, at the gateway of an `up` and at a bare server. Times are in ms. */
export interface GatewayFigures {
  alone: PushFigures
  attacked: PushFigures
  /** The 99th percentile during the attack, divided by the one without. */
  ratio: number
  bareAlone: PushFigures
  bareAttacked: PushFigures
  bareRatio: number
  /** The time of ten new mails through the stages of the same process. */
  syncAloneMs: number
  syncAttackedMs: number
  /** Warnings and errors that `up` logged during the attack of three times `seconds`. */
  lines: number
  /** The number of keys that hostile connections added to Redis. */
  keysGrown: number
  answers: Answers
}

interface Bench extends Rig {
  genuine: Genuine
  up: Child
  options: GatewayOptions
}

const MAIN = fileURLToPath(new URL('../pipeline/main.js', import.meta.url))
const HOSTILE = fileURLToPath(new URL('./gateway/hostile.js', import.meta.url))
const BARE = fileURLToPath(new URL('./gateway/bare.js', import.meta.url))
const ADDRESS = 'ana@example.com'
const MAILBOX: MailboxId = `gmail:${ADDRESS}`
const SUBSCRIPTION = 'bench'
const CLIENT_STATE = 'a secret of the bench, long enough'
const MAILS = 10
const SYNCS = 3
const WARM_UP_MS = 1000
const MARGIN_MS = 120_000
const LEVEL_WARN = 40

/** Measures the gateway and a bare server; all processes listen only on 127.0.0.1 and end with the bench. */
export async function measureGateway(options: GatewayOptions): Promise<GatewayFigures> {
  const google = await startGoogle()
  const deadlineMs = 6 * options.seconds * 1000 + MARGIN_MS
  const mailboxes = [{ address: ADDRESS, messages: MAILS }]
  try {
    return await withRig({ name: 'gateway', profile: 'instant', mailboxes, deadlineMs, signal: options.signal }, rig =>
      measure(rig, google, options),
    )
  } finally {
    google.close()
  }
}

async function measure(rig: Rig, google: Google, options: GatewayOptions): Promise<GatewayFigures> {
  const { connections, seconds, say } = options
  const ms = seconds * 1000
  const bench = await open(rig, google, options)
  const { genuine, pause, up } = bench
  await sendGenuine(genuine, WARM_UP_MS, pause)
  await syncs(bench, 'warm')
  const syncAloneMs = await syncs(bench, 'alone')
  const alone = await sendGenuine(genuine, ms, pause)
  say(`genuine pushes alone: ${line(alone)}`)
  const linesBefore = await warningsOf(up)
  const attacks = hostile(genuine.url, connections, ms)
  const attacked = await sendGenuine(genuine, ms, pause)
  const answers = await attacks
  say(`with ${connections} hostile connections: ${line(attacked)}`)
  await untilIdle(bench)
  const keysBefore = await rig.app.redis.dbsize()
  const more = hostile(genuine.url, connections, 2 * ms)
  await pause(ms)
  const keysGrown = (await rig.app.redis.dbsize()) - keysBefore
  const syncAttackedMs = await syncs(bench, 'attacked')
  await more
  const lines = (await warningsOf(up)) - linesBefore
  say(`${MAILS} mails through the stages: ${syncAloneMs} ms alone, ${syncAttackedMs} ms during the attack`)
  const bare = { ...genuine, url: await startBare(bench) }
  await sendGenuine(bare, WARM_UP_MS, pause)
  const bareAlone = await sendGenuine(bare, ms, pause)
  const bareAttack = hostile(bare.url, connections, ms)
  const bareAttacked = await sendGenuine(bare, ms, pause)
  await bareAttack
  say(`a bare server: ${line(bareAlone)}; during the attack: ${line(bareAttacked)}`)
  const ratio = attacked.p99 / alone.p99
  const bareRatio = bareAttacked.p99 / bareAlone.p99
  say(
    `${ratio.toFixed(1)} times as long at the 99th percentile (bare: ${bareRatio.toFixed(1)}); ${lines} lines, ${keysGrown} keys`,
  )
  const figures = { alone, attacked, ratio, bareAlone, bareAttacked, bareRatio, syncAloneMs, syncAttackedMs }
  return { ...figures, lines, keysGrown, answers }
}

async function open(rig: Rig, google: Google, options: GatewayOptions): Promise<Bench> {
  const { app, mailboxes, signal, processes, until, gatewayPort } = rig
  const { redis, keys } = app
  await connectIfNew(app, () => mailboxes, MAILBOX, signal)
  // The owner of a subscription is stored without regard to the provider.
  await subscriptionMemory(redis, keys, MAILBOX).write({ id: SUBSCRIPTION, terms: 'bench' })
  const [key = Buffer.alloc(0)] = clientStateKeys({ secret: CLIENT_STATE, sealingKeys: [] })
  const clientState = clientStateOf(key, MAILBOX)
  const url = `http://127.0.0.1:${gatewayPort}`
  const genuine = { url, google, mailbox: MAILBOX, subscriptionId: SUBSCRIPTION, clientState }
  const environment = {
    ...rig.environment,
    GMAIL_PUSH_AUDIENCE: google.audience,
    GMAIL_PUSH_SERVICE_ACCOUNT: google.serviceAccount,
    GMAIL_PUSH_CERTS_URL: google.certsUrl,
    OUTLOOK_CLIENT_STATE: CLIENT_STATE,
  }
  const words = [process.execPath, MAIN, 'up', '--port', `${gatewayPort}`] as const
  const up = await processes.start('up', words, environment)
  await until(async () => (await logHolds(up.log, 'Ctrl-C stops')) || undefined)
  return { ...rig, genuine, up, options }
}

async function startBare({ processes, until }: Bench): Promise<string> {
  const port = await freePort()
  const child = await processes.start('bare', [process.execPath, BARE, `${port}`], inheritedEnvironment({}))
  await until(async () => (await logHolds(child.log, 'listening')) || undefined)
  return `http://127.0.0.1:${port}`
}

async function hostile(url: string, connections: number, ms: number): Promise<Answers> {
  const words = [HOSTILE, url, `${connections}`, `${ms}`]
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  const stop = () => child.kill('SIGKILL')
  process.once('exit', stop)
  const [printed] = await Promise.all([text(child.stdout), once(child, 'close')])
  process.off('exit', stop)
  return JSON.parse(printed)
}

// Syncs are requested rather than pushed, so that only the stages are measured.
async function syncs(bench: Bench, name: string): Promise<number> {
  const { app, sim } = bench
  const tookMs: number[] = []
  for (let n = 0; n < SYNCS; n += 1) {
    // Syncs that pushes requested must not count.
    await untilIdle(bench)
    for (const mail of mailsFor(ADDRESS, `${name}-${n}`, MAILS)) await sim.deliver(ADDRESS, mail)
    const from = performance.now()
    await requestSync(app, MAILBOX)
    await untilIdle(bench)
    tookMs.push(performance.now() - from)
  }
  return Math.round(percentile(tookMs, 0.5))
}

async function untilIdle({ app, signal }: Bench): Promise<void> {
  await untilQuiet(app, { since: 0, mailboxes: [MAILBOX], signal, bar: undefined })
}

async function warningsOf({ log }: Child): Promise<number> {
  const lines = (await readFile(log, 'utf8')).split('\n')
  return lines.filter(one => Number(/^\{"level":(\d+)/.exec(one)?.[1] ?? 0) >= LEVEL_WARN).length
}

function line({ pushes, refused, p50, p99 }: PushFigures): string {
  return `${pushes} answered in ${p50} ms (median), ${p99} ms (99th percentile), ${refused} refused`
}
