import t, { type Test } from 'tap'
import { openMailboxes } from '../../pipeline/accounts/mailboxes.ts'
import { readConfig } from '../../shared/config.ts'
import { analysisTasks, cachedMessages } from '../../shared/streams.ts'
import { startGmail } from '../../sim/gmail.ts'
import { testMail, testMailbox } from '../support/mail.ts'
import { ANA, startPipeline } from '../support/pipeline.ts'
import { startRedis } from '../support/redis.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())

const ADDRESS = 'ana@example.com'

/** Starts a simulator with twenty mails in five threads, and a pipeline that reads them. */
async function twenty(t: Test, settings: Record<string, string> = {}) {
  const sim = await startGmail({ profile: 'instant', mailboxes: [testMailbox(ADDRESS, 20, 5)] })
  t.teardown(() => sim.close())
  const box = sim.mailbox(ADDRESS)
  const start = async () => {
    const pipeline = await startPipeline(redis, openMailboxes(readConfig(settings), sim.url)(ANA), { settings })
    t.teardown(() => pipeline.stop())
    const newest = async () => (await pipeline.read(analysisTasks)).at(-1)?.body
    return { pipeline, newest }
  }
  const [newestId = ''] = box.ids()
  return {
    sim,
    box,
    newestId,
    start,
    deliver: (index: number, labels: string[]) => sim.deliver(ADDRESS, testMail(index, 5), { labels }),
  }
}

t.test('deleted, trashed and spam mail at Gmail costs one call', async t => {
  const { sim, box, start } = await twenty(t)
  const { pipeline } = await start()
  await pipeline.sync()
  const [first = '', second = '', third = ''] = box.ids()
  box.delete(first)
  box.trash(second)
  box.modify([third], { add: ['SPAM'], remove: ['INBOX'] })
  sim.resetCalls()
  t.match(await pipeline.sync(), { listed: 0, deleted: 3, threads: 3, tasks: 3, addsUp: true })
  t.match(sim.calls(), { history: 1, total: 1 })
})

t.test('mail restored from the trash is read again, and its thread emitted once', async t => {
  const { sim, box, newestId, start } = await twenty(t)
  const { pipeline, newest } = await start()
  await pipeline.sync()
  box.trash(newestId)
  t.match(await pipeline.sync(), { deleted: 1, tasks: 1 })
  t.equal((await newest())?.messages.length, 3)
  box.untrash(newestId)
  sim.resetCalls()
  t.match(await pipeline.sync(), { listed: 1, fates: { fetched: 1 }, tasks: 1 })
  t.match(sim.calls(), { history: 1, single: 1, total: 2 })
  t.match(await newest(), { reason: 'grown' })
  t.equal((await newest())?.messages.length, 4)
  box.trash(newestId)
  box.untrash(newestId)
  t.match(
    await pipeline.sync(),
    { listed: 0, deleted: 0, tasks: 0, unchanged: 1 },
    'between two looks nothing has changed',
  )
})

t.test('mail fetched with its thread gets its new labels', async t => {
  const { sim, box, deliver } = await twenty(t)
  const reached = openMailboxes(readConfig({}), sim.url)(ANA)
  let meanwhile = () => {}
  const pipeline = await startPipeline(redis, {
    ...reached,
    async fetch(wanted, call) {
      meanwhile()
      return reached.fetch(wanted, call)
    },
  })
  t.teardown(() => pipeline.stop())
  await pipeline.sync()
  for (const index of [20, 25]) deliver(index, ['INBOX'])
  meanwhile = () => {
    meanwhile = () => {}
    deliver(30, ['INBOX'])
  }
  t.match(
    await pipeline.sync(),
    { listed: 2, fates: { fetched: 2 } },
    'two new messages fetch the thread, with the third',
  )
  const [newestId = ''] = box.ids()
  const label = box.createLabel('Rome')
  box.modify([newestId], { add: [label] })
  t.match(await pipeline.sync(), { listed: 1, fates: { cached: 1 }, tasks: 1 })
  t.ok((await pipeline.read(analysisTasks)).at(-1)?.body.labels.includes(label))
})

t.test('reading and starring cause no task; archiving causes one without a fetch', async t => {
  const { sim, box, newestId, start } = await twenty(t)
  const { pipeline, newest } = await start()
  await pipeline.sync()
  sim.resetCalls()
  box.modify([newestId], { add: ['STARRED'], remove: ['UNREAD'] })
  t.match(await pipeline.sync(), { listed: 0, threads: 0, tasks: 0 })
  box.modify([newestId], { remove: ['INBOX'] })
  t.match(await pipeline.sync(), { listed: 0, threads: 1, tasks: 1 })
  t.match(await newest(), { reason: 'changed' })
  t.match(sim.calls(), { history: 2, total: 2 })
})

t.test('filtered mail with known labels costs no fetch', async t => {
  const { sim, start, deliver } = await twenty(t)
  const { pipeline } = await start()
  await pipeline.sync()
  for (let index = 20; index < 150; index += 1) deliver(index, index % 2 ? ['SPAM'] : ['DRAFT'])
  deliver(150, ['INBOX'])
  sim.resetCalls()
  t.match(await pipeline.sync(), { listed: 131, fates: { filtered: 130, fetched: 1 }, tasks: 1, addsUp: true })
  t.match(sim.calls(), { history: 2, single: 1, total: 3 })
  const reasons = new Set((await pipeline.read(cachedMessages)).map(({ body }) => body.reason))
  t.same([...reasons].sort(), ['labelled DRAFT', 'labelled SPAM'])
  sim.resetCalls()
  t.match(await pipeline.sync(), { listed: 0 })
  t.match(sim.calls(), { history: 1, total: 1 }, 'the cursor has moved')
})

t.test('with label filters, only mail that carries one is read', async t => {
  const { sim, box, start, deliver } = await twenty(t, { GMAIL_LABELS: 'clients' })
  const label = box.createLabel('Clients')
  const [first = '', second = '', third = ''] = box.ids()
  box.modify([first, second], { add: [label] })
  const { pipeline } = await start()
  sim.resetCalls()
  t.match(await pipeline.sync(), { listed: 2, fates: { fetched: 2, filtered: 0 } })
  t.match(sim.calls(), { labels: 1, list: 1, batch: 1, parts: 2 })
  sim.resetCalls()
  box.modify([first], { remove: [label] })
  box.modify([third], { add: [label] })
  deliver(20, ['INBOX'])
  deliver(21, ['INBOX', 'Clients'])
  t.match(await pipeline.sync(), { listed: 3, fates: { fetched: 2, filtered: 1 }, deleted: 1, addsUp: true })
  t.match(sim.calls(), { history: 1, batch: 1, parts: 2, labels: 0 })
})

t.test('a search limits only the first sync', async t => {
  const { start, deliver } = await twenty(t, { GMAIL_QUERY: 'is:starred', INITIAL_SYNC: 'all' })
  deliver(20, ['INBOX', 'STARRED'])
  const { pipeline } = await start()
  t.match(await pipeline.sync(), { listed: 1, fates: { fetched: 1 } })
  deliver(21, ['INBOX'])
  t.match(await pipeline.sync(), { listed: 1, fates: { fetched: 1 } })
})

t.test('bare history records and empty pages lose no mail', async t => {
  const { sim, box, newestId, start, deliver } = await twenty(t)
  const { pipeline } = await start()
  await pipeline.sync()
  sim.quirks.emptyPages = true
  sim.quirks.bareRecords = 1
  const { id } = deliver(20, ['INBOX'])
  box.delete(newestId)
  box.modify([box.ids()[3] ?? ''], { add: ['STARRED'] })
  const { redis: client, keys } = pipeline.app
  t.match(await pipeline.sync(), {
    listed: 3,
    fates: { fetched: 2, gone: 1, cached: 0 },
    deleted: 1,
    tasks: 2,
    unchanged: 1,
    addsUp: true,
  })
  t.equal(await client.exists(keys.message(ANA, id)), 1)
  t.equal(await client.exists(keys.message(ANA, newestId)), 0)
  sim.resetCalls()
  t.match(await pipeline.sync(), { listed: 0, tasks: 0 })
  t.match(sim.calls(), { history: 1, total: 1 })
})
