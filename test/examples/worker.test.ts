import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { LANES } from '../../shared/envelope.ts'
import { removeMailbox } from '../../shared/redis/remove.ts'
import { analysisResults, analysisTasks } from '../../shared/streams.ts'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { everything } from '../support/keyspace.ts'
import { ANA, startPipeline } from '../support/pipeline.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { startModel, startWorker, WORKERS } from '../support/workers.ts'

const BULK = 12
const LIVE = 4
const WORK_MS = 1000
const redis = await startRedis()
t.teardown(() => redis.stop())
t.beforeEach(() => redis.client.flushall())

for (const { name, words } of WORKERS) {
  const skip =
    words[0] === undefined && 'no python3 with redis and jsonschema: apt-get install python3-redis python3-jsonschema'

  t.test(`${name} is short enough to copy`, async t => {
    const text = readFileSync(fileURLToPath(new URL(`../../../examples/${name}`, import.meta.url)), 'utf8')
    const lines = text.split('\n').filter(line => !/^\s*(\/\/.*|#.*)?$/.test(line))
    t.ok(lines.length <= 100, `${lines.length} lines of code`)
  })

  t.test(
    `${name}: each task is answered once, live ones first, and others take over what a killed worker left`,
    { skip },
    async t => {
      const { pipeline, model, start, tasks, results, pending } = await setUp(t, words)
      model.does = () => (model.asked.length > LIVE + 2 ? 'hold' : 'answer')
      const first = start()
      await until(() => model.asked.length === LIVE + 3, 'it is in the middle of a task')
      first.kill('SIGKILL')
      await first.exited
      t.equal((await results()).length, LIVE + 2)
      t.equal(await pending(), 1)
      const held = model.asked.at(-1)
      const live = (await redis.client.xrange(streamOf(pipeline, 'live'), '-', '+')).length
      t.equal(live, LIVE)
      t.same(new Set(model.asked.slice(0, LIVE)), new Set(tasks.slice(-LIVE)), 'live ones first')

      model.does = () => 'answer'
      const others = [start(), start()]
      await until(() => others.every(other => other.said().includes('reads 2 partitions')), 'both read')
      await until(
        async () => (await results()).length >= tasks.length && (await pending()) === 0,
        'all is answered',
        15_000,
      )
      const answers = await results()
      t.same(answers.map(({ body }) => body.task).sort(), [...tasks].sort(), 'one answer a task')
      t.equal(model.asked.filter(task => task === held).length, 2, 'the task of the killed worker was asked again')
      t.match(answers[0], {
        mailbox: ANA,
        attempt: 0,
        body: { v: 1, model: 'small', promptVersion: '1' },
      })
      t.match(answers[0]?.body, { output: { summary: 'short' }, usage: { inputTokens: 100, outputTokens: 10 } })
      for (const other of others) other.kill('SIGTERM')
      t.same(await Promise.all(others.map(({ exited }) => exited)), [0, 0], 'they stop when asked to')
    },
  )

  t.test(`${name}: a slow worker, or a task that comes twice, adds no second answer`, { skip }, async t => {
    const { pipeline, model, start, tasks, results, pending } = await setUp(t, words)
    const [last = ''] = tasks
    const [entry] = await redis.client.xrange(streamOf(pipeline, 'bulk'), '-', '+')
    await redis.client.xadd(streamOf(pipeline, 'bulk'), '*', 'envelope', entry?.[1][1] ?? '')
    model.does = task => (task === last && model.asked.filter(one => one === last).length === 1 ? 'hold' : 'answer')
    const slow = start({ LONGEST_WORK_MS: '20000' })
    await until(() => model.asked.includes(last), 'the slow one is at work')
    start()
    await until(
      async () => (await results()).length === tasks.length && (await pending()) === 0,
      'the other has answered',
    )
    model.release()
    await until(() => slow.said().includes(last), 'the slow one has answered too')
    t.same((await results()).map(({ body }) => body.task).sort(), [...tasks].sort())
    t.equal(model.asked.filter(one => one === last).length, 2, 'the copy was not asked')
  })

  t.test(
    `${name}: what fails three times is set aside, goes with its mailbox, and no mail is printed`,
    { skip },
    async t => {
      const { pipeline, model, start, tasks, results, pending } = await setUp(t, words)
      const [bad = ''] = tasks
      const partition = pipeline.app.keys.partitionOf(ANA)
      await redis.client.xadd(streamOf(pipeline, 'live'), '*', 'envelope', '{"body":{"subject":"Plan 7"}}')
      model.does = task => (task === bad ? 'fail' : 'answer')
      const worker = start()
      const unanswered = (mailbox: string) =>
        redis.client.xrange(`${pipeline.app.keys.head(partition)}unanswered:${mailbox}`, '-', '+')
      await until(async () => (await unanswered(ANA)).length > 0, 'one is set aside', 15_000)
      t.equal(model.asked.filter(task => task === bad).length, 3)
      t.equal(await pending(), 0)
      t.equal((await results()).length, tasks.length - 1)
      t.match((await unanswered(ANA))[0]?.[1][1], bad, 'with its task')
      t.match(await unanswered('unknown'), { length: 1 }, 'what is no task is not tried')
      const said = worker.said()
      t.match(said, /waits for try 2[\s\S]*waits for try 3[\s\S]*is a dead letter/)
      t.match(said, /does not fit the schema/)
      for (const { body } of await pipeline.read(analysisTasks).catch(() => []))
        for (const { subject, text } of body.messages)
          t.notOk(
            [subject, text].some(word => said.includes(word)),
            'no mail',
          )
      worker.kill('SIGTERM')
      t.equal(await worker.exited, 0)
      await removeMailbox(redis.client, pipeline.app.keys, ANA)
      t.same(
        (await everything(redis)).filter(text => text.includes(ANA)),
        [],
        'nothing is left of a removed mailbox',
      )
    },
  )
}

type Pipeline = Awaited<ReturnType<typeof startPipeline>>

/** A pipeline with tasks in both lanes, the live ones last, and a model. */
async function setUp(t: Test, words: (typeof WORKERS)[number]['words']) {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  mailbox.deliver(BULK)
  await pipeline.sync()
  mailbox.deliver(LIVE, BULK + LIVE)
  await pipeline.sync()
  await pipeline.stopStages()
  const tasks = (await pipeline.read(analysisTasks)).map(({ body }) => body.task)
  t.equal(tasks.length, BULK + LIVE)
  const model = await startModel(t)
  const settings = {
    REDIS_URL: redis.url,
    REDIS_PREFIX: pipeline.app.config.REDIS_PREFIX,
    MODEL_URL: model.url,
    MODEL: 'small',
  }
  return {
    pipeline,
    model,
    tasks,
    start: (more: Record<string, string> = {}) =>
      startWorker(t, words, { ...settings, LONGEST_WORK_MS: `${WORK_MS}`, ...more }),
    results: () => pipeline.read(analysisResults),
    pending: async () => {
      const counts = await Promise.all(LANES.map(lane => redis.client.xpending(streamOf(pipeline, lane), 'workers')))
      return counts.reduce((sum, [count]) => sum + Number(count), 0)
    },
  }
}

function streamOf({ app: { keys } }: Pipeline, lane: (typeof LANES)[number]): string {
  return keys.stream(keys.partitionOf(ANA), analysisTasks.name, lane)
}
