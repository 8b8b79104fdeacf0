import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { analysisTasks } from '../../shared/streams.ts'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { startPipeline } from '../support/pipeline.ts'
import { redisFor } from '../support/redis.ts'
import { COMMANDS } from '../support/script-faults.ts'
import { until } from '../support/until.ts'

const { server } = await redisFor(t)
const { client } = server
const ALLOWED = ['on', '>secret', '~*', '&*', '+@all'] as const

/** Starts a first sync under a user whose rights the test can change; the first fetch waits for `met`. */
async function firstSync(t: { teardown(done: () => unknown): void }) {
  await client.call('ACL', 'SETUSER', 'tess', ...ALLOWED)
  const mailbox = fakeMailbox(20)
  mailbox.deliver(60, 20)
  let begin: () => void = () => undefined
  const begun = new Promise<void>(resolve => {
    begin = resolve
  })
  mailbox.before = kind => {
    if (kind === 'fetch') begin()
  }
  const url = server.url.replace('redis://', 'redis://tess:secret@')
  const pipeline = await startPipeline({ ...server, url }, mailbox)
  t.teardown(() => pipeline.stop())
  const refusals = async () => {
    const stats = await client.info('commandstats')
    return Number(/cmdstat_evalsha:.*failed_calls=(\d+)/.exec(stats)?.[1] ?? 0)
  }
  const name = await pipeline.request()
  await begun
  return {
    pipeline,
    /** Waits until scripts were refused repeatedly. */
    async refused() {
      const before = await refusals()
      await until(async () => (await refusals()) >= before + 5, 'scripts are refused')
    },
    async whole() {
      const runs = await pipeline.quiet()
      const tasks = await pipeline.read(analysisTasks)
      const run = runs.find(one => one.run === name)
      return { run, tasks: tasks.map(({ body }) => body.task) }
    },
  }
}

// `WITHDRAW=5000` withdraws each command of a script, one by one, for that many milliseconds.
const WITHDRAW_MS = Number(process.env.WITHDRAW ?? 0)
const EACH = WITHDRAW_MS > 0 ? COMMANDS.map(command => [command.toLowerCase()]) : []

for (const commands of [['xadd'], ['hset', 'zadd', 'hdel', 'zrem'], ['xack'], ...EACH]) {
  t.test(
    `${commands.join(' and ')} withdrawn in the middle of a first sync loses nothing and doubles nothing`,
    async t => {
      const { refused, whole } = await firstSync(t)
      await client.call('ACL', 'SETUSER', 'tess', ...commands.map(command => `-${command}`))
      if (WITHDRAW_MS > 0) await setTimeout(WITHDRAW_MS)
      else await refused()
      await client.call('ACL', 'SETUSER', 'tess', ...commands.map(command => `+${command}`))
      const { run, tasks } = await whole()
      t.match(run, {
        listed: 60,
        fates: { fetched: 60 },
        threads: 20,
        tasks: 20,
        unchanged: 0,
        addsUp: true,
        settled: true,
      })
      t.equal(tasks.length, 20)
      t.equal(new Set(tasks).size, 20)
    },
  )
}

t.test('a stream without free ids stops only its own stage until fixed', async t => {
  const { pipeline, refused, whole } = await firstSync(t)
  const { keys } = pipeline.app
  const stream = keys.stream(keys.partitionOf('gmail:ana@example.com'), analysisTasks.name, 'bulk')
  await client.call('COPY', stream, 'aside')
  await client.xadd(stream, '18446744073709551615-18446744073709551615', 'envelope', 'x')
  await refused()
  await client.del(stream)
  if ((await client.exists('aside')) === 1) await client.rename('aside', stream)
  const { run, tasks } = await whole()
  t.match(run, { listed: 60, fates: { fetched: 60 }, threads: 20, tasks: 20, addsUp: true, settled: true })
  t.equal(new Set(tasks).size, 20)
})
