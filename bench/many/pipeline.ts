import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { connectIfNew } from '../../pipeline/accounts/request-sync.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import type { StageName } from '../../shared/stage.ts'
import { type Child, logHolds } from '../chaos/children.ts'
import type { Rig } from './rig.ts'

/** The pipeline under measurement. */
export interface Pipeline {
  /** The processes that only fetch. */
  fetchers: readonly Child[]
  /** Returns the resident memory of the largest process, in MB; `undefined` where the system does not report it. */
  rssMb(): Promise<number | undefined>
}

const MAIN = fileURLToPath(new URL('../../pipeline/main.js', import.meta.url))
const SCALED: readonly StageName[] = ['list-ids', 'batch-fetch']
const CONNECTED_AT_ONCE = 20
const KB_PER_MB = 1024

/** Connects mailboxes in advance, so that `up` needs no provider call at startup. */
export async function connectAll({ app, mailboxes, signal }: Rig, all: readonly MailboxId[]): Promise<void> {
  for (let from = 0; from < all.length; from += CONNECTED_AT_ONCE) {
    const some = all.slice(from, from + CONNECTED_AT_ONCE)
    await Promise.all(some.map(mailbox => connectIfNew(app, () => mailboxes, mailbox, signal)))
  }
}

/** Starts an `up`, and additional processes of each provider-bound stage, so that each of these stages runs in `fetchers` processes. */
export async function startPipeline(rig: Rig, fetchers: number): Promise<Pipeline> {
  // The other processes start first: the initial sync of `up` warms all of them up.
  const beside = await startStages(rig, fetchers - 1)
  const children = [...beside, await startUp(rig)]
  return {
    fetchers: children.filter(({ role }) => role === 'batch-fetch').map(({ child }) => child),
    async rssMb() {
      const sizes = await Promise.all(children.map(({ child }) => rssMbOf(child)))
      const known = sizes.filter(size => size !== undefined)
      return known.length > 0 ? Math.max(...known) : undefined
    },
  }
}

interface Role {
  role: StageName | 'up'
  child: Child
}

async function startUp({ processes, environment, gatewayPort, until }: Rig): Promise<Role> {
  const words = [process.execPath, MAIN, 'up', '--port', `${gatewayPort}`] as const
  const child = await processes.start('up', words, environment)
  await until(async () => (await logHolds(child.log, 'Ctrl-C stops')) || undefined)
  return { role: 'up', child }
}

async function startStages({ processes, environment, until }: Rig, count: number): Promise<Role[]> {
  const roles = SCALED.flatMap(role => Array.from({ length: count }, () => role))
  return Promise.all(
    roles.map(async (role, index): Promise<Role> => {
      const words = [process.execPath, MAIN, 'stage', role] as const
      const child = await processes.start(`${role}-${index}`, words, environment)
      await until(async () => (await logHolds(child.log, `${role} is running`)) || undefined)
      return { role, child }
    }),
  )
}

// Only Linux reports it in a file.
async function rssMbOf({ pid }: Child): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]
  return kilobytes === undefined ? undefined : Math.round(Number(kilobytes) / KB_PER_MB)
}
