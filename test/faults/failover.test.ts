import t, { type Test } from 'tap'
import { analysisTasks } from '../../shared/streams.ts'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { ANA, startPipeline, type TestPipeline } from '../support/pipeline.ts'
import { startProxy } from '../support/proxy.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { commandCount, isIntact } from './support.ts'

const MESSAGES = 100
const PAGE = 25
const THREADS = 20
const CAUGHT_UP_MS = 2000

const xaddTo = (stream: string) => new RegExp(`xadd\\r\\n\\$\\d+\\r\\n\\S*:s:${stream}\\b`, 'i')

/** The first write of the primary that never reaches the replica. */
const ends: [what: string, write: RegExp, page?: number][] = [
  ['the watch event', xaddTo('watch-events')],
  // The cursor moves with the last page, here the first, which is committed after the failover.
  ['the beginning of the run', /activeRun/, MESSAGES],
  ['the listing and the cursor', xaddTo('message-ids')],
  ['what was filtered', xaddTo('missing-ids')],
  ['what was fetched', xaddTo('fetched-messages')],
  ['the first window', xaddTo('merged')],
  ['the first threads', xaddTo('threads')],
  ['the first tasks', xaddTo('analysis-tasks')],
]

for (const [what, write, page] of ends) {
  t.test(`a failover without ${what} and later writes loses and doubles nothing`, async t => {
    const { primary, link, failOver, pipeline, mailbox } = await replicated(t, page)
    mailbox.deliver(MESSAGES, THREADS)
    const tail = link.muteBefore(write)
    let over: Promise<void> | undefined
    // The primary dies during a provider call, so the caller knows state that the replica lacks.
    mailbox.before = async () => {
      if (!over)
        await Promise.race([
          tail.struck,
          primary.client.set('asked', '').then(() => primary.client.wait(1, CAUGHT_UP_MS)),
        ])
      if (tail.strikes() > 0) over ??= failOver()
      await over
    }
    await pipeline.request()
    await tail.struck
    await until(
      async () => over !== undefined || (await pipeline.read(analysisTasks)).length === THREADS,
      'it failed over, or all is done',
    )
    over ??= failOver()
    await over
    await pipeline.quiet()
    // The next watch event finds the mail of a lost one.
    await pipeline.sync()
    await isIntact(t, pipeline, { messages: MESSAGES, tasks: THREADS })
    t.same(await dispatched(pipeline), ids(MESSAGES), 'every message is in a task')
  })
}

t.test('a late promotion causes few retries, then work resumes', async t => {
  const { primary, replica, address, pipeline, mailbox } = await replicated(t)
  mailbox.deliver(MESSAGES, THREADS)
  let calls = 0
  mailbox.before = async kind => {
    if (kind !== 'fetch' || ++calls !== 2) return
    await primary.kill('SIGKILL')
    address.redirect(replica.port)
  }
  await pipeline.request()
  await until(() => calls >= 2, 'the primary is gone')
  await until(async () => (await refused(replica)) >= 10, 'the replica refuses')
  const commands = await commandCount(replica)
  t.ok(commands < 3000, `${commands} commands meanwhile`)
  await replica.client.call('REPLICAOF', 'NO', 'ONE')
  await pipeline.quiet()
  await pipeline.sync()
  await isIntact(t, pipeline, { messages: MESSAGES, tasks: THREADS })
})

t.test('stages reconnect when the primary becomes a connected replica', async t => {
  const { primary, replica, address, pipeline, mailbox } = await replicated(t)
  mailbox.deliver(MESSAGES, THREADS)
  let calls = 0
  mailbox.before = async kind => {
    if (kind !== 'fetch' || ++calls !== 2) return
    address.redirect(replica.port)
    await replica.client.call('REPLICAOF', 'NO', 'ONE')
    await primary.client.call('REPLICAOF', '127.0.0.1', `${replica.port}`)
  }
  await pipeline.request()
  await until(() => calls >= 2, 'they change places')
  await pipeline.quiet()
  await pipeline.sync()
  await isIntact(t, pipeline, { messages: MESSAGES, tasks: THREADS })
  t.same(await dispatched(pipeline), ids(MESSAGES), 'every message is in a task')
})

/** Starts a pipeline with short leases on a primary and a replica that can be cut off and take over, under one address. */
async function replicated(t: Test, page = PAGE) {
  const primary = await startRedis('--repl-diskless-sync-delay', '0')
  const link = await startProxy(primary.port)
  const replica = await startRedis('--replicaof', '127.0.0.1', `${link.port}`)
  await until(async () => /master_link_status:up/.test(await replica.client.info('replication')), 'the replica follows')
  const address = await startProxy(primary.port)
  const mailbox = fakeMailbox(page)
  const pipeline = await startPipeline({ ...primary, url: address.url }, mailbox, { settings: { LEASE_MS: '500' } })
  await until(() => replica.client.exists(pipeline.app.keys.mailbox(ANA)), 'the replica knows the mailbox')
  t.teardown(async () => {
    await pipeline.stop()
    for (const proxy of [address, link]) await proxy.close()
    for (const server of [primary, replica]) await server.stop()
  })
  const failOver = async () => {
    await hasTakenIn(replica)
    await primary.kill('SIGKILL')
    address.redirect(replica.port)
    await replica.client.call('REPLICAOF', 'NO', 'ONE')
  }
  return { primary, replica, link, address, mailbox, pipeline, failOver }
}

/** Waits until a replica has applied every write it received. */
async function hasTakenIn({ client }: TestRedis): Promise<void> {
  let before: string | undefined
  await until(async () => {
    const now = /slave_repl_offset:(\d+)/.exec(await client.info('replication'))?.[1]
    const same = now === before
    before = now
    return same
  }, 'the replica is as far as it can be')
}

function ids(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `m${index}`).sort()
}

async function dispatched(pipeline: TestPipeline): Promise<string[]> {
  const tasks = await pipeline.read(analysisTasks)
  return [...new Set(tasks.flatMap(({ body }) => body.messages.map(({ id }) => id)))].sort()
}

async function refused({ client }: TestRedis): Promise<number> {
  return Number(/errorstat_READONLY:count=(\d+)/.exec(await client.info('errorstats'))?.[1] ?? 0)
}
