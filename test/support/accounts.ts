import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import { LANES } from '../../shared/envelope.ts'
import { createKeys } from '../../shared/redis/keys.ts'
import { postWatchEvent } from '../../shared/redis/mailboxes.ts'
import type { GmailSimulator } from '../../sim/gmail/simulator.ts'
import { startGmail } from '../../sim/gmail.ts'
import { sealingKey } from './consent.ts'
import { testMailbox } from './mail.ts'
import { type OAuthServer, startOAuth } from './oauth.ts'
import { type Process, start } from './processes.ts'
import { startRedis, type TestRedis } from './redis.ts'
import { until } from './until.ts'

export const ANA = 'gmail:ana@example.com'
export const BO = 'gmail:bo@example.com'
export const keys = createKeys('mailsluice', 1)

/** A Redis, a simulator with the mailboxes of Ana and Bo, its OAuth server, and the environment for processes that use them. */
export async function setUpAccounts(
  t: Test,
): Promise<{ redis: TestRedis; sim: GmailSimulator; oauth: OAuthServer; environment: Record<string, string> }> {
  const redis = await startRedis()
  const sim = await startGmail({
    profile: 'instant',
    mailboxes: [testMailbox('ana@example.com', 30, 6), testMailbox('bo@example.com', 30, 6)],
  })
  const oauth = await startOAuth({ simUrl: sim.url })
  t.teardown(async () => {
    await oauth.close()
    await sim.close()
    await redis.stop()
  })
  const environment: Record<string, string> = {
    REDIS_URL: redis.url,
    PARTITIONS: '1',
    SIM_URL: oauth.url,
    LEASE_MS: '1000',
    GMAIL_CLIENT_ID: 'client',
    GMAIL_CLIENT_SECRET: 'planted-secret',
    MAILBOXES_KEY: sealingKey(),
    INITIAL_SYNC: 'all',
  }
  return { oauth, sim, redis, environment }
}

/** Starts `up` and waits until the first syncs are done. */
export async function startUp(t: Test, environment: Record<string, string>): Promise<Process> {
  const up = start(['up'], environment)
  t.teardown(() => up.kill('SIGKILL'))
  await until(() => up.stdout().includes('Ctrl-C stops.'), 'it is up')
  return up
}

/** Posts a watch event for Ana's mailbox. */
export function push({ client }: TestRedis): Promise<string> {
  const run = `push-${randomUUID()}`
  return postWatchEvent(client, keys, ANA, { run, at: Date.now(), body: { cause: 'push' } })
}

/** Reads the record of Ana's mailbox. */
export async function record({ client }: TestRedis): Promise<Record<string, string>> {
  return client.hgetall(keys.mailbox(ANA))
}

/** Returns the entries of Ana's mailbox in `mailbox-events`. */
export async function eventsOf({ client }: TestRedis): Promise<Record<string, string>[]> {
  const entries = await client.xrange(keys.mailboxEvents('p00'), '-', '+')
  const events = entries.map(([, fields]) => fieldsOf(fields))
  return events.filter(({ mailbox }) => mailbox === ANA)
}

/** Waits until a mailbox has more tasks than that, and returns their number. */
export async function waitForTasks(redis: TestRedis, more: number, mailbox = ANA): Promise<number> {
  return until(async () => {
    const count = (await tasksOf(redis, mailbox)).length
    return count > more ? count : undefined
  }, `${mailbox} has more than ${more} tasks`)
}

/** Returns the tasks of a mailbox. */
export async function tasksOf(redis: TestRedis, mailbox: string): Promise<string[]> {
  const tasks: string[] = []
  for (const lane of LANES) {
    const entries = await redis.client.xrange(keys.stream('p00', 'analysis-tasks', lane), '-', '+')
    const bodies = entries.map(([, [, text = '']]) => (JSON.parse(text) as { body: { task: string } }).body)
    tasks.push(...bodies.map(({ task }) => task).filter(task => task.startsWith(mailbox)))
  }
  return tasks.sort()
}

/** Counts the entries of a stream that its stage has not acknowledged; all of them where it never ran. */
export async function waitingIn({ client }: TestRedis, stream: string): Promise<number> {
  let count = 0
  for (const lane of LANES) {
    const key = keys.stream('p00', stream, lane)
    const [group] = ((await client.xinfo('GROUPS', key).catch(() => [])) as unknown[][]).map(fields => fieldsOf(fields))
    count += group ? Number(group.lag) + Number(group.pending) : await client.xlen(key)
  }
  return count
}

function fieldsOf(flat: unknown[]): Record<string, string> {
  const pairs = flat.flatMap((field, at) => (at % 2 === 0 ? [[String(field), String(flat[at + 1])]] : []))
  return Object.fromEntries(pairs) as Record<string, string>
}
