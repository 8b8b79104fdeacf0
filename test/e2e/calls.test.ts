import t, { type Test } from 'tap'
import { openMailboxes } from '../../pipeline/accounts/mailboxes.ts'
import { readConfig } from '../../shared/config.ts'
import { startGmail } from '../../sim/gmail.ts'
import { testMail, testMailbox } from '../support/mail.ts'
import { ANA, startPipeline } from '../support/pipeline.ts'
import { startRedis } from '../support/redis.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())

for (const MESSAGE_BODY of ['snippet', 'text'])
  t.test(`fifty new messages cost four calls, one pushed message two, with MESSAGE_BODY=${MESSAGE_BODY}`, t =>
    countCalls(t, { MESSAGE_BODY }),
  )

async function countCalls(t: Test, settings: { MESSAGE_BODY: string }) {
  const sim = await startGmail({ profile: 'instant', mailboxes: [testMailbox('ana@example.com', 50, 10)] })
  t.teardown(() => sim.close())
  const pipeline = await startPipeline(redis, openMailboxes(readConfig(settings), sim.url)(ANA), { settings })
  t.teardown(() => pipeline.stop())
  const deliver = (from: number, count: number) => {
    for (let index = from; index < from + count; index += 1) sim.deliver('ana@example.com', testMail(index, 10))
  }
  t.match(sim.calls(), { profile: 1, total: 1 }, 'connecting the mailbox asked whose it is, once')

  sim.resetCalls()
  t.match(await pipeline.sync(), { listed: 50, fates: { fetched: 50 }, threads: 10, tasks: 10, units: 405 })
  t.match(sim.calls(), { list: 1, batch: 3, parts: 10, total: 4 }, 'ten threads of five')

  sim.resetCalls()
  t.match(await pipeline.sync(), { listed: 0, tasks: 0 })
  t.match(sim.calls(), { history: 1, total: 1 })

  sim.resetCalls()
  deliver(50, 1)
  t.match(await pipeline.sync(), { listed: 1, fates: { fetched: 1 }, tasks: 1 })
  t.match(sim.calls(), { history: 1, single: 1, total: 2 })

  sim.resetCalls()
  deliver(51, 50)
  t.match(await pipeline.sync(), { listed: 50, fates: { fetched: 50 }, tasks: 10 })
  t.match(sim.calls(), { history: 1, batch: 3, parts: 10, total: 4 })
}

t.test('an expired cursor is replaced, and all mail since is listed', async t => {
  const sim = await startGmail({ profile: 'instant', mailboxes: [testMailbox('ana@example.com', 20, 5)] })
  t.teardown(() => sim.close())
  const pipeline = await startPipeline(redis, openMailboxes(readConfig({ INITIAL_SYNC: '10' }), sim.url)(ANA))
  t.teardown(() => pipeline.stop())
  t.match(await pipeline.sync(), { listed: 10 }, 'the first sync takes the newest ten')
  for (let index = 20; index < 60; index += 1) sim.deliver('ana@example.com', testMail(index, 5))
  sim.expireHistory('ana@example.com')
  t.match(await pipeline.sync(), { listed: 40, fates: { cached: 0, fetched: 40 }, tasks: 5, addsUp: true })
  t.match(await pipeline.sync(), { listed: 0 })
})
