import t from 'tap'
import { analysisTasks, threads } from '../../shared/streams.ts'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { startPipeline } from '../support/pipeline.ts'
import { type Process, start } from '../support/processes.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const THREADS = 150
const LIMIT = 40

t.test('processes that overlap and are killed write no task more than a run may have', async t => {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const settings = { AI_MAX_PER_RUN: `${LIMIT}`, LEASE_MS: '800' }
  const mailbox = fakeMailbox()
  mailbox.deliver(THREADS)
  const named = { ...settings, REDIS_PREFIX: 'limited' }
  const pipeline = await startPipeline(redis, mailbox, {
    only: ['list-ids', 'cache-filter', 'batch-fetch', 'merge', 'thread-group'],
    settings: named,
  })
  t.teardown(() => pipeline.stop())
  await pipeline.request()
  await until(async () => (await pipeline.read(threads)).length === THREADS, 'all threads are emitted')
  const environment = {
    ...named,
    REDIS_URL: redis.url,
    PARTITIONS: `${pipeline.app.config.PARTITIONS}`,
    SIM_URL: 'http://127.0.0.1:9',
  }
  const running: Process[] = []
  t.teardown(() => {
    for (const process of running) process.kill('SIGKILL')
  })
  const begin = () => {
    const process = start(['stage', 'ai-dispatch'], environment)
    running.push(process)
    return process
  }
  const [first] = [begin(), begin()]
  const written = async () => (await pipeline.read(analysisTasks)).length
  // Killed between its tasks; another process takes over what it holds.
  await until(async () => (await written()) > 0, 'the first task')
  first?.kill('SIGKILL')
  begin()
  await pipeline.quiet()
  const [run] = await pipeline.quiet()
  t.match(run, { threads: THREADS, tasks: LIMIT, withheld: { overLimit: THREADS - LIMIT }, settled: true })
  const names = (await pipeline.read(analysisTasks)).map(({ body }) => body.task)
  t.equal(new Set(names).size, LIMIT, 'each once')
  t.equal(names.length, LIMIT)
})
