import { Subject } from 'rxjs'
import t from 'tap'
import { inBatches } from '../../pipeline/batches.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import type { Entry } from '../../shared/redis/commit.ts'
import { type ListedId, messageIds, watchEvents } from '../../shared/streams.ts'

// Long enough that a test which has to wait for it is seen to.
const FOREVER_MS = 600_000

t.test('fifty siblings make batches of 20, 20 and 10, and nobody waits', async t => {
  const { source, batches } = batching(20, FOREVER_MS)
  for (let index = 0; index < 50; index += 1) source.next(entry('gmail:ana@example.com', index, 50))
  t.same(
    batches.map(batch => batch.length),
    [20, 20, 10],
  )
})

t.test('a lone message waits for nobody', async t => {
  const { source, batches } = batching(20, FOREVER_MS)
  source.next(entry('gmail:ana@example.com', 0, 1))
  t.same(
    batches.map(batch => batch.length),
    [1],
  )
})

t.test('siblings that come in several reads still make full batches', async t => {
  const { source, batches } = batching(20, FOREVER_MS)
  for (let index = 0; index < 13; index += 1) source.next(entry('gmail:ana@example.com', index, 30))
  await new Promise(resolve => setImmediate(resolve))
  for (let index = 13; index < 30; index += 1) source.next(entry('gmail:ana@example.com', index, 30))
  t.same(
    batches.map(batch => batch.length),
    [20, 10],
  )
})

t.test('a batch is of one mailbox', async t => {
  const { source, batches } = batching(20, FOREVER_MS)
  for (let index = 0; index < 30; index += 1) {
    source.next(entry('gmail:ana@example.com', index, 30))
    source.next(entry('gmail:bo@example.com', index, 30))
  }
  t.same(
    batches.map(batch => batch.length),
    [20, 20, 10, 10],
  )
  for (const batch of batches) t.equal(new Set(batch.map(({ envelope }) => envelope.mailbox)).size, 1)
})

t.test('what lacks its siblings leaves after waitMs', async t => {
  const { source, batches } = batching(20, 30)
  const begun = performance.now()
  source.next(entry('gmail:ana@example.com', 0, 5))
  t.same(batches, [])
  while (batches.length === 0 && performance.now() - begun < 5000) await new Promise(resolve => setImmediate(resolve))
  t.ok(performance.now() - begun >= 29)
  t.same(
    batches.map(batch => batch.length),
    [1],
  )
})

t.test('completing the source lets partial batches out', async t => {
  const { source, batches } = batching(20, FOREVER_MS)
  source.next(entry('gmail:ana@example.com', 0, 5))
  source.complete()
  t.same(
    batches.map(batch => batch.length),
    [1],
  )
})

t.test('envelopes without siblings go one by one, at once', async t => {
  const source = new Subject<Entry<never>>()
  const batches: Entry<never>[][] = []
  source
    .pipe(inBatches({ size: 20, waitMs: FOREVER_MS }, [watchEvents as never]))
    .subscribe(batch => batches.push(batch))
  source.next({ ...entry('gmail:ana@example.com', 0, 1), stream: watchEvents.name } as never)
  t.equal(batches.length, 1)
})

function batching(size: number, waitMs: number) {
  const source = new Subject<Entry<ListedId>>()
  const batches: Entry<ListedId>[][] = []
  const subscription = source.pipe(inBatches({ size, waitMs }, [messageIds])).subscribe(batch => batches.push(batch))
  t.teardown(() => subscription.unsubscribe())
  return { source, batches }
}

function entry(mailbox: MailboxId, index: number, of: number): Entry<ListedId> {
  const body = { id: `m${index}`, thread: 't', window: '1', index, of }
  const envelope = {
    id: `${index}`,
    run: `run-${mailbox}`,
    mailbox,
    at: 0,
    attempt: 0,
    lane: 'live' as const,
    trace: 'x',
    body,
  }
  return { key: 'k', entryId: `${index}-0`, stream: messageIds.name, text: '', deliveries: 1, envelope }
}
