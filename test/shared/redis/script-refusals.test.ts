import t from 'tap'
import { openApp } from '../../../pipeline/base/app.ts'
import { readConfig } from '../../../shared/config.ts'
import { clusterFor } from '../../support/redis.ts'
import { doChores } from '../../support/script-chores.ts'
import { COMMANDS } from '../../support/script-faults.ts'
import { live, sumsOf } from '../../support/script-scenario.ts'
import { trying } from '../../support/script-troubles.ts'

const { server } = await clusterFor(t, '--enable-debug-command', 'yes')
const { client } = server
const config = readConfig({ LOG_LEVEL: 'silent', REDIS_PREFIX: 'test', PARTITIONS: '1', GMAIL_BATCH_SIZE: '3' })

// The commands of `inspect.lua` and `unread.lua`.
const ASKED_ONLY = ['smembers', 'memory', 'xlen']

/** Returns all data, and each group's progress in its stream. */
async function state() {
  const streams = (await client.keys('test:*')).filter(key => /:s:|intake$/.test(key)).sort()
  const groups = await Promise.all(streams.map(key => client.xinfo('GROUPS', key).catch(String)))
  return [await client.call('DEBUG', 'DIGEST'), groups]
}

t.test(
  'a refused script changes nothing and can be repeated',
  {
    timeout: 90_000,
  },
  async t => {
    const plain = await openApp(config, server.url, undefined, server.connect)
    t.teardown(() => plain.close())
    const good = await live(plain)
    await client.flushall()
    await client.call('ACL', 'SETUSER', 'tess', 'on', '>secret', '~*', '&*', '+@all')
    const app = await openApp(config, server.url.replace('redis://', 'redis://tess:secret@'), undefined, server.connect)
    t.teardown(() => app.close())
    const trials = trying(app.redis, client, { user: 'tess', state })
    const life = await live(app)
    await client.flushall()
    await doChores(app, what => what())
    t.same(trials.changed, [], `${trials.refused.size} kinds of refusals are checked`)
    const refused = [...trials.refused]
    const met = COMMANDS.map(command => command.toLowerCase()).filter(
      // Scripts that write nothing are skipped.
      command => !ASKED_ONLY.includes(command) && !refused.some(one => one.endsWith(` without ${command}`)),
    )
    t.same(met, [], 'every script command was denied and detected')
    t.same(
      trials.accepted.filter(one => one.includes(' without ')),
      [],
      'no script continues without one of its commands',
    )
    t.ok(
      refused.some(one => /wrong type of test::run/.test(one)) &&
        refused.some(one => /wrong value of test::run/.test(one)),
    )
    t.same(sumsOf(life), sumsOf(good), 'the runs add up')
    t.same(life.tasks.sort(), good.tasks.sort(), 'each task is there once')
    t.same(life.left, [], 'nothing is in flight')
  },
)
