import t from 'tap'
import { analysisTasks } from '../../shared/streams.ts'
import { memoryMailbox } from '../../sim/mailbox.ts'
import { loadMail } from '../../sim/mbox.ts'
import { corpus } from '../sim/client.ts'
import { testMail, testMailbox } from '../support/mail.ts'
import { BO, BO_ADDRESS, startOutlook } from '../support/outlook.ts'
import { startRedis } from '../support/redis.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())

const list = corpus('mailing-list.mbox')
const FOLDERS = 3

t.test('a real mailing list needs no fetch at Outlook', { skip: list.skip }, async t => {
  const { sim, pipeline } = await startOutlook(t, redis, await loadMail(list.path), { INITIAL_SYNC: 'all' })
  const run = await pipeline.sync()
  t.match(run, { listed: 2260, fates: { cached: 2260, fetched: 0, gone: 0, dead: 0 }, addsUp: true })
  t.match(run.calls, { single: 0, thread: 0 })
  const { total, delta } = sim.calls()
  const pages = Math.ceil(2260 / 50)
  t.ok(total <= pages + FOLDERS + 3, `${total} calls for ${pages} pages, ${delta} of them deltas`)
  t.equal(run.threads, run.tasks)
  t.comment(`${run.threads} conversations, ${total} calls`)
})

t.test('a first sync costs its pages, a repeat or a new message one call', async t => {
  const { sim, pipeline } = await startOutlook(t, redis, testMailbox(BO_ADDRESS, 50, 10))
  t.match(sim.calls(), { profile: 1, total: 1 }, 'connecting the mailbox asked whose it is, once')

  t.match(await pipeline.sync(), { listed: 50, fates: { cached: 50 }, threads: 10, tasks: 10 })
  t.comment(JSON.stringify(sim.calls()))

  sim.resetCalls()
  t.match(await pipeline.sync(), { listed: 0, tasks: 0, calls: { delta: 1 } })
  t.match(sim.calls(), { batch: 1, total: 1 })

  sim.resetCalls()
  sim.deliver(BO_ADDRESS, testMail(50, 10))
  t.match(await pipeline.sync(), { listed: 1, fates: { cached: 1 }, tasks: 1, calls: { delta: 1 } })
  t.match(sim.calls(), { batch: 1, total: 1 })
})

t.test('a new category emits the thread again for one call', async t => {
  const { sim, pipeline } = await startOutlook(t, redis, testMailbox(BO_ADDRESS, 12, 3))
  await pipeline.sync()
  const bo = sim.mailbox(BO_ADDRESS)
  const [id = ''] = bo.ids('inbox')
  bo.mark(id, { categories: ['Rome'] })
  sim.resetCalls()
  t.match(await pipeline.sync(), { listed: 0, threads: 1, tasks: 1, addsUp: true })
  t.match(sim.calls(), { batch: 1, total: 1 })
  t.match((await pipeline.read(analysisTasks)).at(-1)?.body, { reason: 'changed', labels: ['Rome'] })
})

t.test('a moved message is not analysed again', async t => {
  const { sim, pipeline } = await startOutlook(t, redis, testMailbox(BO_ADDRESS, 12, 3))
  await pipeline.sync()
  const bo = sim.mailbox(BO_ADDRESS)
  const [id = ''] = bo.ids('inbox')
  bo.move('archive', id)
  sim.resetCalls()
  t.match(await pipeline.sync(), { listed: 0, tasks: 0, addsUp: true })
  t.match(sim.calls(), { total: 1 }, 'the listing included it with its new folder')
  t.equal((await pipeline.read(analysisTasks)).length, 3)
  bo.move('Projects/Rome', id)
  t.match(await pipeline.sync(), { tasks: 0, fates: { dead: 0 }, addsUp: true }, 'to a folder that is new as well')
  t.equal((await pipeline.read(analysisTasks)).length, 3)
})

for (const how of ['is deleted for ever', 'goes to Deleted Items', 'goes with its folder']) {
  t.test(`a message that ${how} leaves its thread`, async t => {
    const { sim, pipeline } = await startOutlook(t, redis, testMailbox(BO_ADDRESS, 12, 3))
    await pipeline.sync()
    const bo = sim.mailbox(BO_ADDRESS)
    const [id = ''] = bo.ids('inbox')
    if (how.includes('folder')) {
      bo.move('Projects/Rome', id)
      await pipeline.sync()
      bo.deleteFolder('Projects/Rome')
    } else if (how.includes('for ever')) bo.delete(id)
    else bo.move('deleteditems', id)
    t.match(await pipeline.sync(), { tasks: 1, addsUp: true, fates: { dead: 0 } })
    const tasks = await pipeline.read(analysisTasks)
    t.equal(tasks.length, 4)
    const last = tasks.at(-1)?.body
    t.equal(last?.messages.length, 3)
    t.notOk(last?.messages.some(message => message.id === id))
    t.match(await pipeline.sync(), { tasks: 0 })
  })
}

t.test('a message that is no longer cached is still removed from its thread', async t => {
  const { sim, pipeline } = await startOutlook(t, redis, testMailbox(BO_ADDRESS, 12, 3))
  await pipeline.sync()
  const { redis: client, keys } = pipeline.app
  const bo = sim.mailbox(BO_ADDRESS)
  const [id = ''] = bo.ids('inbox')
  await client.del(...bo.ids().map(one => keys.message(BO, one)))
  bo.delete(id)
  t.match(await pipeline.sync(), { tasks: 1, addsUp: true })
  t.notOk((await pipeline.read(analysisTasks)).at(-1)?.body.messages.some(message => message.id === id))
})

t.test("a folder with more new mail than Graph's filter limit is read completely", async t => {
  const day = 24 * 3_600_000
  const count = 5200
  const raw = (index: number) =>
    `From: a@example.com\r\nMessage-ID: <${index}@example.com>\r\nSubject: ${index}\r\n\r\n${index}`
  const mails = Array.from({ length: count + 300 }, (_, index) => ({
    raw: raw(index),
    receivedAtMs: Date.now() - (index < 300 ? 60 * day : 5 * day) + index * 1000,
  }))
  const { sim, pipeline } = await startOutlook(t, redis, memoryMailbox(BO_ADDRESS, mails), {
    INITIAL_SYNC: '30d',
    OUTLOOK_PAGE_SIZE: '500',
  })
  t.match(await pipeline.sync(), { listed: count, fates: { cached: count }, tasks: count, addsUp: true })
  sim.resetCalls()
  sim.deliver(BO_ADDRESS, raw(count + 300))
  t.match(await pipeline.sync(), { listed: 1, tasks: 1 })
  t.match(sim.calls(), { total: 1 })
})
