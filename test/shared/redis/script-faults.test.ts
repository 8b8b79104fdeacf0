import t from 'tap'
import { openApp } from '../../../pipeline/base/app.ts'
import { readConfig } from '../../../shared/config.ts'
import { clusterFor } from '../../support/redis.ts'
import { doChores } from '../../support/script-chores.ts'
import { countCalls, FACTS } from '../../support/script-faults.ts'
import { live, sumsOf } from '../../support/script-scenario.ts'

const { server } = await clusterFor(t)
// As many calls as the longest script makes.
const LONGEST_MS = 90_000

const config = readConfig({ LOG_LEVEL: 'silent', REDIS_PREFIX: 'test', PARTITIONS: '1', GMAIL_BATCH_SIZE: '3' })

t.test(
  'a script failing at any call loses nothing and can be repeated',
  {
    timeout: LONGEST_MS,
  },
  async t => {
    const app = await openApp(config, server.url, undefined, server.connect)
    t.teardown(() => app.close())
    const faults = countCalls(app.redis)
    const facts = new Set<string>()
    const good = await live(app, { onFacts: some => void some.map(({ fact }) => facts.add(fact)) })
    t.same([...facts].sort(), FACTS, 'every kind of fact is met')
    t.ok(good.answered.length > 0, 'a sink answered')
    const failed = new Set<string>()
    for (let k = 1; ; k += 1) {
      await server.client.flushall()
      // Repeated by the same process, or from the start by another.
      const life = await live(app, { recreated: k % 2 === 0, before: async () => faults.arm(k) })
      const met = faults.met()
      if (met.length === 0) break
      for (const name of met) failed.add(name)
      t.same(sumsOf(life), sumsOf(good), `the runs add up when calls ${k} failed`)
      t.same(life.tasks.sort(), good.tasks.sort(), `each task is there once when calls ${k} failed`)
      t.same(life.answered.sort(), good.answered.sort(), `so is each answer when calls ${k} failed`)
      t.same(life.left, [], `nothing is in flight when calls ${k} failed`)
      t.ok(life.dead.includes('run-11'), `the refused input is a dead letter when calls ${k} failed`)
    }
    for (const name of ['arrive', 'begin', 'commit', 'connect', 'promote', 'redrive', 'resume'])
      t.ok(failed.has(name), name)
  },
)

t.test('so can the scripts that no sync uses', async t => {
  const app = await openApp(config, server.url, undefined, server.connect)
  t.teardown(() => app.close())
  const faults = countCalls(app.redis)
  const once = <T>(what: () => Promise<T>) => what()
  const good = await doChores(app, once)
  const healed = {
    abandoned: 'first',
    heals: 'lost',
    opened: '1',
    listed: 1,
    asked: ['second', 'posted'],
    threads: ['thread'],
  }
  t.match(good.healed, healed)
  for (let k = 1; ; k += 1) {
    await server.client.flushall()
    const done = await doChores(app, async what => {
      faults.arm(k)
      return what().catch(what)
    })
    const met = faults.met()
    if (met.length === 0) break
    t.same(done, good, `when calls ${k} of ${met.join(', ')} failed`)
  }
})
