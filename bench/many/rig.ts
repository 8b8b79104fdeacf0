import { randomBytes } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Mailboxes, openMailboxes } from '../../pipeline/accounts/mailboxes.ts'
import { type AppContext, openApp } from '../../pipeline/base/app.ts'
import { sleep } from '../../pipeline/base/wait.ts'
import { freePort } from '../../pipeline/embedded-redis/program.ts'
import { inheritedEnvironment, readConfig } from '../../shared/config.ts'
import { startRedis } from '../chaos/redis.ts'
import { controlOf, type SimulatorControl } from './control.ts'
import { openProcesses, type Processes } from './processes.ts'
import type { SimulatorPlan } from './simulator.ts'

/** The setup of every part: a Redis and a simulator in their own processes, and a connection separate from the pipeline's. */
export interface Rig {
  app: AppContext
  sim: SimulatorControl
  mailboxes: Mailboxes
  processes: Processes
  /** The environment for the processes of the pipeline. */
  environment: NodeJS.ProcessEnv
  /** The port for the gateway; the simulator pushes to it. */
  gatewayPort: number
  signal: AbortSignal
  /** Waits; throws when the measurement is stopped or exceeds its deadline. */
  pause(ms: number): Promise<void>
  /** Waits for a condition and returns its result; throws like `pause`. */
  until<T>(condition: () => Promise<T | undefined>, everyMs?: number): Promise<T>
}

const SIMULATOR = fileURLToPath(new URL('./simulator.js', import.meta.url))
const PUSH = { audience: 'mailsluice-bench', serviceAccount: 'gmail-push@simulated.iam.gserviceaccount.com' }
const TOPIC = 'projects/simulated/topics/gmail'
const POLL_MS = 20
const TOKEN_BYTES = 24

/** The options of a rig. */
export interface RigOptions extends Pick<SimulatorPlan, 'profile' | 'latencyMs' | 'mailboxes' | 'outlook'> {
  /** The name of the measurement, for error messages. */
  name: string
  deadlineMs: number
  signal: AbortSignal
}

/** Runs work with a rig, and removes all its processes and files afterwards. */
export async function withRig<T>(options: RigOptions, work: (rig: Rig) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'mailsluice-many-'))
  const processes = openProcesses(folder)
  const over = new AbortController()
  const late = setTimeout(
    () => over.abort(new Error(`the part "${options.name}" took more than ${options.deadlineMs / 1000} s`)),
    options.deadlineMs,
  )
  const signal = AbortSignal.any([options.signal, processes.failed, over.signal])
  // Every wait listens to the signal.
  setMaxListeners(0, signal)
  let app: AppContext | undefined
  try {
    const { name, deadlineMs, signal: _, ...plan } = options
    const rig = await openRig(folder, { processes, signal, plan })
    app = rig.app
    return await work(rig)
  } catch (error) {
    // The first cause is reported, not the errors it led to.
    throw signal.aborted ? reasonOf(signal, options.signal) : error
  } finally {
    clearTimeout(late)
    over.abort()
    await processes.endAll()
    app?.close()
    await rm(folder, { recursive: true, force: true })
  }
}

async function openRig(
  folder: string,
  facts: { processes: Processes; signal: AbortSignal; plan: Omit<SimulatorPlan, 'port' | 'pushTo' | 'controlToken'> },
): Promise<Rig> {
  const { processes, signal, plan } = facts
  const gatewayPort = await freePort()
  const controlToken = randomBytes(TOKEN_BYTES).toString('base64url')
  const sim = controlOf(`http://127.0.0.1:${await freePort()}`, controlToken)
  const redis = await startRedis(folder, processes, { signal, appendfsync: 'everysec' })
  const environment = inheritedEnvironment({
    NODE_ENV: '',
    REDIS_URL: redis.url,
    REDIS_PREFIX: 'many',
    SIM_URL: sim.url,
    SIM_TOKEN: controlToken,
    GMAIL_REFRESH_TOKEN: '',
    DATA_DIR: folder,
    INITIAL_SYNC: 'all',
    // Quotas must not limit this bench; another bench measures them.
    GMAIL_USER_UNITS: '10000000',
    GMAIL_PROJECT_UNITS: '1000000000',
    GMAIL_PUSH_AUDIENCE: PUSH.audience,
    GMAIL_PUSH_SERVICE_ACCOUNT: PUSH.serviceAccount,
    GMAIL_PUSH_CERTS_URL: `${sim.url}/oauth2/v3/certs`,
    GATEWAY_HOST: '127.0.0.1',
    LOG_LEVEL: 'info',
    RAILWAY_REPLICA_ID: '',
  })
  const pause = async (ms: number) => {
    await sleep(ms, signal)
    signal.throwIfAborted()
  }
  const until: Rig['until'] = async (condition, everyMs = POLL_MS) => {
    for (;;) {
      signal.throwIfAborted()
      const result = await condition()
      if (result !== undefined) return result
      await pause(everyMs)
    }
  }

  const file = join(folder, 'simulator.json')
  const pushTo = { url: `http://127.0.0.1:${gatewayPort}/gmail/push`, ...PUSH }
  await writeFile(
    file,
    JSON.stringify({ ...plan, port: Number(new URL(sim.url).port), pushTo, controlToken } satisfies SimulatorPlan),
  )
  await processes.start('simulator', [process.execPath, SIMULATOR, file], inheritedEnvironment({}))
  await until(() => sim.calls().catch(() => undefined))

  const config = readConfig(environment)
  const app = await openApp(config, redis.url)
  const mailboxes = openMailboxes({ ...config, GMAIL_PUBSUB_TOPIC: TOPIC }, sim.url, app)
  return { app, sim, mailboxes, processes, environment, gatewayPort, signal, pause, until }
}

function reasonOf(signal: AbortSignal, stopped: AbortSignal): unknown {
  return stopped.aborted ? new Error('stopped before the end') : signal.reason
}
