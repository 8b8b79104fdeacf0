import t from 'tap'
import type { Envelope } from '../../shared/envelope.ts'
import type { PendingThread } from '../../shared/fact.ts'
import type { Message } from '../../shared/message.ts'
import type { StageContext } from '../../shared/stage.ts'
import type { MergedWindow } from '../../shared/streams.ts'
import { threadGroup } from '../../stages/thread-group/thread-group.ts'

const THREADS = 100
const MESSAGES = 10
const LONGEST = 200_000
const MOST_GROWTH = 200e6
const bo = { name: 'Bo', address: 'bo@example.com' }
const item: Envelope<MergedWindow> = {
  id: 'r/release',
  run: 'r',
  mailbox: 'gmail:ana@example.com',
  at: 1,
  attempt: 0,
  lane: 'live',
  body: { window: '1', context: false, items: [], release: true },
}

t.test('a release of a hundred threads reads few texts at a time', async t => {
  const pending = Array.from({ length: THREADS }, (_, n) => thread(n))
  const before = process.memoryUsage.rss()
  let [most, peak] = [0, 0]
  const { facts = [] } = await threadGroup.handle(
    { mailbox: item.mailbox, items: [item] } as never,
    context(pending, count => {
      most = Math.max(most, count)
      peak = Math.max(peak, process.memoryUsage.rss())
    }),
  )
  const released = facts.flatMap(one => (one.fact === 'thread-released' ? [one.delivery?.envelope.body] : []))
  t.equal(released.length, THREADS)
  t.match(released[99], { thread: 't99', reason: 'new', ids: [/^t99-/] })
  t.ok(most <= 100, `${most} messages at once`)
  t.comment(`${((peak - before) / 1e6).toFixed(0)} MB more at the peak`)
  t.ok(peak - before < MOST_GROWTH, `${((peak - before) / 1e6).toFixed(0)} MB`)
})

t.test('a thread that the owner wrote in says so, whatever its newest mail is', async t => {
  const wrote = async (changes: Partial<PendingThread>, labels = ['INBOX']) => {
    const { facts = [] } = await threadGroup.handle(
      { mailbox: item.mailbox, items: [item] } as never,
      context([{ ...thread(0), ...changes }], () => undefined, labels),
    )
    return facts.flatMap(one => (one.fact === 'thread-released' ? [one.delivery?.envelope.body] : []))
  }
  t.match(await wrote({}), [{ ownerWrote: false }])
  t.match(await wrote({ ownerWrote: true }), [{ ownerWrote: true }], 'in mail that was deleted since')
  t.match(await wrote({}, ['SENT']), [{ ownerWrote: true }], 'in mail that is there')
})

t.test('mail of the owner is marked in its thread when it is grouped', async t => {
  const items = [{ id: 't0-1', thread: 't0', fate: 'fetched' as const }]
  const page = { ...item, body: { window: '1', context: false, items } }
  for (const [label, isOwn] of [
    ['SENT', true],
    ['INBOX', false],
  ] as const) {
    const found = await threadGroup.handle(
      { mailbox: item.mailbox, items: [page] } as never,
      context([], () => undefined, [label]),
    )
    t.match(found.facts, [{ fact: 'window-grouped', fresh: [{ id: 't0-1', isOwn, date: Number }] }], label)
  }
})

function context(pending: readonly PendingThread[], onGet: (count: number) => void, labels = ['INBOX']): StageContext {
  const get = async (ids: readonly string[]) => {
    const found = new Map(ids.map(id => [id, message(id, labels)]))
    onGet(ids.length)
    return found
  }
  const task = { tokens: 8000, promptVersion: '1', model: '', texts: true }
  return { cache: { get }, ledger: { pendingThreads: async () => pending }, task, now: () => 2 } as never
}

function thread(n: number): PendingThread {
  const ids = Array.from({ length: MESSAGES }, (_, place) => `t${n}-${MESSAGES - place}`)
  return { thread: `t${n}`, ids, fresh: ids, omitted: [], seen: '', contextAsked: false, cameBack: false, known: false }
}

function message(id: string, labels: string[]): Message {
  const text = Buffer.alloc(LONGEST, `${id} has words `).toString('latin1')
  const people = { from: [bo], to: [bo], cc: [] }
  const body = { text, kind: 'plain' as const }
  return { id, thread: 't', labels, date: 1_790_000_000_000, subject: 'Hello', snippet: 'words', ...people, body }
}
