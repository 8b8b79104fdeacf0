import t, { type Test } from 'tap'
import { openMailboxes } from '../../pipeline/accounts/mailboxes.ts'
import { readConfig } from '../../shared/config.ts'
import { knownMessages } from '../../shared/redis/known.ts'
import { analysisTasks } from '../../shared/streams.ts'
import { startGmail } from '../../sim/gmail.ts'
import { memoryMailbox } from '../../sim/mailbox.ts'
import { testMail } from '../support/mail.ts'
import { ANA, startPipeline } from '../support/pipeline.ts'
import { startRedis } from '../support/redis.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())

const ADDRESS = 'ana@example.com'
const DAY_MS = 24 * 3_600_000
const THREADS = 300
const MAILS = 1200

/** Sets up 1,200 mails in 300 threads, synced a month ago; the cache and Google's history have expired since. */
async function aMonthAgo(t: Test, settings: Record<string, string>) {
  const monthAgo = Date.now() - 30 * DAY_MS
  const mails = Array.from({ length: MAILS }, (_, index) => ({
    raw: testMail(index, THREADS),
    receivedAtMs: monthAgo - (MAILS - index) * 3_600_000,
  }))
  const sim = await startGmail({ profile: 'instant', mailboxes: [memoryMailbox(ADDRESS, mails)] })
  t.teardown(() => sim.close())
  const plenty = { ...settings, GMAIL_USER_UNITS: '10000000', GMAIL_PROJECT_UNITS: '1000000000' }
  const mailbox = openMailboxes(readConfig(plenty), sim.url)(ANA)
  const pipeline = await startPipeline(redis, mailbox, { settings: plenty })
  t.teardown(() => pipeline.stop())
  const first = await pipeline.sync()
  const { redis: client, keys } = pipeline.app
  const known = async () => {
    const threads = new Map<string, string[]>()
    for await (const { id, thread } of knownMessages(client, keys, ANA))
      threads.set(thread, [...(threads.get(thread) ?? []), id].sort())
    return threads
  }
  await client.hset(keys.mailbox(ANA), 'cursorAt', monthAgo)
  const cached = await client.keys(keys.message(ANA, '*'))
  if (cached.length > 0) await client.del(...cached)
  const box = sim.mailbox(ADDRESS)
  return {
    first,
    sim,
    box,
    pipeline,
    known,
    monthAgo,
    /** Returns the mail that is in the mailbox and neither in spam nor in the trash. */
    isThere: (id: string) =>
      box.ids().includes(id) && !box.labelsOf(id).some(label => label === 'TRASH' || label === 'SPAM'),
    deliver: (index: number, day: number, labels?: readonly string[]) =>
      sim.deliver(ADDRESS, testMail(index, THREADS), {
        receivedAt: monthAgo + day * DAY_MS,
        ...(labels ? { labels } : {}),
      }),
    tasks: async (from: number) => (await pipeline.read(analysisTasks)).slice(from).map(({ body }) => body),
  }
}

t.test('after a month all changes are found, and only changed threads emitted', async t => {
  const { first, sim, box, pipeline, known, deliver, isThere, tasks } = await aMonthAgo(t, { INITIAL_SYNC: '1000' })
  t.match(first, { listed: 1000, tasks: 300 })
  const before = await known()
  const newestFirst = box.ids()
  const idOf = (index: number) => newestFirst[MAILS - 1 - index] ?? ''
  const arrived = Array.from({ length: 40 }, (_, n) => deliver(MAILS + n, n % 28))
  const strangers = [deliver(9, 3), deliver(17, 5)]
  deliver(MAILS + 50, 6, ['SPAM'])
  const passing = deliver(MAILS + 60, 7)
  box.delete(passing.id)
  // Whole threads, single messages, and some that were never read.
  box.delete(...[201, 501, 801, 1101].map(idOf), idOf(1190), idOf(1000), idOf(700))
  box.trash(idOf(1111), idOf(822))
  box.modify([idOf(933)], { add: ['SPAM'], remove: ['INBOX'] })
  box.delete(idOf(5), idOf(6), idOf(150))
  box.modify([idOf(1150)], { remove: ['UNREAD'] })
  sim.expireHistory(ADDRESS)
  sim.resetCalls()

  const run = await pipeline.sync()
  const goneIds = [201, 501, 801, 1101, 1190, 1000, 700, 1111, 822, 933].map(idOf)
  t.match(run, { listed: 42, fates: { fetched: 42 }, deleted: 10, addsUp: true, settled: true })

  const after = await known()
  const expected = new Map<string, string[]>()
  for (const [thread, ids] of before) expected.set(thread, ids.filter(isThere))
  for (const { id, threadId } of [...arrived, ...strangers])
    expected.set(threadId, [...(expected.get(threadId) ?? []), id].sort())
  for (const [thread, ids] of expected) if (ids.length === 0) expected.delete(thread)
  t.same(new Map([...after].sort()), new Map([...expected].sort()), 'the known mail equals the mailbox')

  const changed = [...expected].filter(([thread, ids]) => String(before.get(thread)) !== String(ids))
  const sent = await tasks(300)
  t.same(sent.map(({ thread }) => thread).sort(), changed.map(([thread]) => thread).sort())
  for (const { thread, messages } of sent) t.same(messages.map(({ id }) => id).sort(), expected.get(thread))
  t.notOk(sent.some(({ messages }) => messages.some(({ id }) => goneIds.includes(id))))

  const calls = sim.calls()
  t.match(calls, { profile: 1, history: 1, list: 4 }, 'one page of new mail, three of existing mail')
  const fetched = 42 + 10 + sent.reduce((sum, { messages }) => sum + messages.length, 0)
  t.ok(calls.parts + calls.single + calls.thread <= fetched, 'nothing else is fetched')

  sim.resetCalls()
  t.match(await pipeline.sync(), { listed: 0, deleted: 0, tasks: 0 })
  t.match(sim.calls(), { history: 1, total: 1 })
})

t.test('after a month without changes no message is fetched', async t => {
  const { sim, pipeline } = await aMonthAgo(t, { INITIAL_SYNC: '300' })
  sim.expireHistory(ADDRESS)
  sim.resetCalls()
  t.match(await pipeline.sync(), { listed: 0, deleted: 0, threads: 0, tasks: 0, addsUp: true })
  t.match(sim.calls(), { history: 1, profile: 1, list: 4, total: 6, parts: 0 })
})

t.test('a full listing also finds mail inserted with an old date', async t => {
  const { first, sim, box, pipeline, deliver, known } = await aMonthAgo(t, { INITIAL_SYNC: 'all' })
  t.match(first, { listed: MAILS })
  const [newest = ''] = box.ids()
  const old = deliver(MAILS + 7, -200)
  const fresh = deliver(MAILS + 8, 9)
  box.delete(newest)
  sim.expireHistory(ADDRESS)
  sim.resetCalls()
  t.match(await pipeline.sync(), { listed: 2, deleted: 1, tasks: 3, addsUp: true })
  t.match(sim.calls(), { history: 1, profile: 1, list: 3 })
  const ids = [...(await known()).values()].flat()
  t.ok(ids.includes(old.id))
  t.ok(ids.includes(fresh.id))
  t.notOk(ids.includes(newest))
  t.equal(ids.length, MAILS + 1)
})
