import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { analysisTasks } from '../../shared/streams.ts'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { startPipeline } from '../support/pipeline.ts'
import { redisFor } from '../support/redis.ts'
import { until } from '../support/until.ts'

const { server } = await redisFor(t)
const { client } = server
const COUNTER = /^(opened|merged|grouped|listed|done|of|since|releases|threads|settled|#\w+|fate:\w+)$/

/** Starts a first sync whose fetches wait for `go` after half of its pages. */
async function firstSync(t: { teardown(done: () => unknown): void }) {
  const mailbox = fakeMailbox(20)
  mailbox.deliver(60, 20)
  let go: () => void = () => undefined
  const gate = new Promise<void>(resolve => {
    go = resolve
  })
  let fetches = 0
  mailbox.before = async kind => {
    if (kind !== 'fetch') return
    fetches += 1
    if (fetches > 1) await gate
  }
  const pipeline = await startPipeline(server, mailbox)
  t.teardown(() => pipeline.stop())
  const run = await pipeline.request()
  await until(() => fetches > 1, 'a part of it is fetched')
  const prefix = pipeline.app.config.REDIS_PREFIX
  const keys = (await client.keys(`${prefix}:*`)).filter(key => !/:(msg|secret):/.test(key)).sort()
  return { pipeline, run, go, prefix, keys }
}

// The kind of a key, without ids, partitions and the prefix of the test.
function kindOf(key: string): string {
  const [, ...parts] = key.replace(/\{p\d+\}:/, '').split(':')
  const [kind = '', name = ''] = parts
  return kind === 's' ? parts.join(':') : name && !/[@\d-]/.test(name) && kind !== 'quota' ? `${kind}:${name}` : kind
}

async function kinds(): Promise<string[]> {
  let found: string[] = []
  await t.test('a first sync uses keys of many kinds', async t => {
    const { pipeline, go, keys } = await firstSync(t)
    go()
    await pipeline.quiet()
    found = [...new Set(keys.map(kindOf))]
    t.ok(found.length > 10, found.join(' '))
  })
  return found
}

/** Tampers with a key; returns how to restore it, or `undefined` where it cannot be tampered with. */
type Tamper = (key: string) => Promise<(() => Promise<unknown>) | undefined>

/** Replaces the key with one of another type. */
const mistype: Tamper = async key => {
  const isString = (await client.type(key)) === 'string'
  const wrong = client.multi().rename(key, `aside:${key}`)
  await (isString ? wrong.hset(key, 'no', 'string') : wrong.set(key, 'of another type')).exec()
  return () => client.multi().del(key).rename(`aside:${key}`, key).exec()
}

/** Replaces a counter of the key with text; later writes beside it stay. */
const misnumber: Tamper = async key => {
  if ((await client.type(key)) !== 'hash') return undefined
  const counter = (await client.hkeys(key)).find(field => COUNTER.test(field))
  if (counter === undefined) return undefined
  const before = (await client.hget(key, counter)) ?? ''
  await client.hset(key, counter, 'no number')
  return () => client.hset(key, counter, before)
}

// `TAMPER=5000` tampers with a key of each kind, one by one, for that many milliseconds.
const TAMPER_MS = Number(process.env.TAMPER ?? 0)
const SOME = ['run', 'mailbox', 'window', 'runs']
const all = await kinds()

for (const [what, tamper] of Object.entries({ 'of another type': mistype, 'with a wrong number': misnumber })) {
  for (const kind of TAMPER_MS > 0 ? all : all.filter(one => SOME.includes(one))) {
    t.test(`a key of ${kind} ${what} during a first sync loses and doubles nothing`, async t => {
      const { pipeline, run: name, go, keys } = await firstSync(t)
      const key = keys.find(one => kindOf(one) === kind)
      const giveBack = key && (await tamper(key))
      go()
      if (!giveBack) {
        await pipeline.quiet()
        t.pass('there is nothing of it to tamper with')
        return
      }
      await setTimeout(TAMPER_MS || 500)
      await giveBack()
      const runs = await pipeline.quiet()
      t.match(
        runs.find(one => one.run === name),
        { listed: 60, fates: { fetched: 60 }, threads: 20, tasks: 20, unchanged: 0, addsUp: true, settled: true },
      )
      const tasks = (await pipeline.read(analysisTasks)).map(({ body }) => body.task)
      t.equal(tasks.length, 20)
      t.equal(new Set(tasks).size, 20)
    })
  }
}
