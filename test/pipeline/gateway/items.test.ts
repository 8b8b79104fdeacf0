import t from 'tap'
import { openItemReader } from '../../../pipeline/gateway/items.ts'
import { MAX_NOTIFICATIONS, readGraphNotification } from '../../../shared/outlook/notification.ts'
import { changeOf } from '../../support/graph-notifications.ts'

const MAX_BYTES = 8 * 1024
// The chunk size of the gateway.
const PIECE_BYTES = 16 * 1024

/** Reads a body in chunks of `size` bytes. */
function read<T>(body: string | Buffer, of: (item: unknown) => T | undefined, size = 65_536): T[] {
  const reader = openItemReader({ what: 'list', mostItems: 1000, mostItemBytes: MAX_BYTES, read: of })
  const bytes = Buffer.from(body)
  for (let at = 0; at < bytes.length; at += size) reader.write(bytes.subarray(at, at + size))
  return reader.end()
}

const same = (item: unknown) => item as object

t.test('items equal the parsed JSON for any chunk boundaries', async t => {
  const items = [
    1,
    'a "quoted" ], } , [ { \\ text',
    'späße ✉ 日本語 🦉',
    { a: [1, { b: ['}', ']'] }], c: '\\"' },
    [[], [[]], {}],
    true,
    { nested: { value: [1, 2, 3] } },
    '',
    -1.5e-7,
  ]
  const bodies = [
    JSON.stringify({ value: items }),
    JSON.stringify({ value: items }, null, 2),
    JSON.stringify({ validationTokens: ['a', 'b'], value: items, more: [['x']], object: { value: ['no'] } }),
    `{"value":["overruled"],"value":${JSON.stringify(items)}}`,
    ` \n{ "v\\u0061lue" :\t${JSON.stringify(items)} }\r\n`,
  ]
  for (const body of bodies)
    for (const size of [1, 2, 3, 7, 64, 65_536])
      t.same(read(body, same, size), items, `${body.slice(0, 30)} by ${size}`)
})

t.test('other JSON is refused', async t => {
  const bad = [
    '',
    '{',
    '{"value":[',
    '{"value":[1',
    '{"value":[1]',
    '{"value":[1}',
    '{"value":[1}]',
    '{"value":[1]]}',
    '{"value":[1,]}',
    '{"value":[,1]}',
    '{"value":[1,,2]}',
    '{"value":[1 2]}',
    '{"value":[01]}',
    '{"value":["a]}',
    '{"value":[{"a":]}]}',
    '{"value":[{]}]}',
    '{"value":[[}]]}',
    '{"value":[1]}{"value":[2]}',
    '{"value" [1]}',
    ']'.repeat(10),
    '{"value":[nul]}',
  ]
  for (const body of bad)
    for (const size of [1, 65_536])
      t.throws(() => read(body, same, size), { kind: 'unparsable', message: /^not a list: / }, `${body} by ${size}`)
  for (const body of [
    '[]',
    'null',
    '7',
    '"value"',
    '{}',
    '{"value":{}}',
    '{"value":null}',
    '{"value":3}',
    '[{"value":[1]}]',
  ])
    t.same(read(body, same), [], body)
  t.same(read('{"__proto__":{"value":[1]}}', same), [], 'a prototype lends nothing')
})

t.test('a body is refused at the first byte over a limit', async t => {
  const endless = openItemReader({ what: 'list', mostItems: 1000, mostItemBytes: MAX_BYTES, read: same })
  endless.write(Buffer.from(`{"value":[${'0,'.repeat(1000)}`))
  t.throws(() => endless.write(Buffer.from('0')), { message: /more than 1000 items/ })
  const cases: [string, RegExp][] = [
    ['['.repeat(100), /nested more than 32 deep/],
    [`{"value":[${'['.repeat(100)}`, /nested more than 32 deep/],
    [`{"value":[${'{"a":'.repeat(100)}`, /nested more than 32 deep/],
    [`{"${'x'.repeat(20_000)}`, /more than 16384 bytes outside its items/],
    [`{${' '.repeat(20_000)}`, /more than 16384 bytes outside its items/],
    [`{"a":[${'0,'.repeat(600)}0],"value":[${'0,'.repeat(600)}`, /more than 1000 items/],
  ]
  for (const [body, message] of cases)
    t.throws(() => read(body, same, 1024), { kind: 'unparsable', message }, body.slice(0, 20))
})

t.test('an item that is too long is dropped without a copy', async t => {
  const long = { text: 'x'.repeat(MAX_BYTES) }
  t.same(read(JSON.stringify({ value: [1, long, 2] }), same, 1000), [1, 2])
})

t.test('a thousand items are read without blocking the event loop', async t => {
  const hostile = [
    `{"value":[${'0,'.repeat(500_000)}0]}`,
    `{"value":[${'{"subscriptionId":"a","clientState":5},'.repeat(999)}0]}`,
    `{"value":[${'{"subscriptionId":"a"},'.repeat(999)}0]}`,
    `{"value":[${`{"subscriptionId":"${'\\u0061'.repeat(150)}"},`.repeat(999)}0]}`,
    `{"value":[${`${JSON.stringify(Array.from({ length: 400 }, () => 0))},`.repeat(999)}0]}`,
    `{"value":["${'\\"'.repeat(400_000)}"]}`,
    `{"value":[${'{"a":'.repeat(20)}`,
    '['.repeat(900_000),
    `${' '.repeat(900_000)}`,
  ]
  for (const body of hostile) {
    const ms = slowestPieceMs(body)
    t.comment(`${body.slice(0, 40)} ${ms.toFixed(2)} ms`)
    t.ok(ms < 10, body.slice(0, 40))
  }
  const good = JSON.stringify({ value: Array.from({ length: MAX_NOTIFICATIONS }, () => changeOf('sub', 'state')) })
  t.equal(read(good, readGraphNotification).length, MAX_NOTIFICATIONS)
  t.ok(slowestPieceMs(good) < 10)
})

// The minimum CPU time of several runs, because the machine may be busy.
function slowestPieceMs(body: string): number {
  return Math.min(...Array.from({ length: 5 }, () => slowestOf(body)))
}

function slowestOf(body: string): number {
  const reader = openItemReader({
    what: 'list',
    mostItems: 1000,
    mostItemBytes: MAX_BYTES,
    read: readGraphNotification,
  })
  const bytes = Buffer.from(body)
  const took: number[] = []
  try {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      const piece = bytes.subarray(at, at + PIECE_BYTES)
      took.push(tookMs(() => reader.write(piece)))
    }
    took.push(tookMs(() => void reader.end()))
  } catch (error) {
    took.push((error as Slow).ms ?? 0)
  }
  return Math.max(...took)
}

interface Slow {
  ms?: number
}

function tookMs(work: () => void): number {
  const since = process.cpuUsage()
  const took = () => {
    const { user, system } = process.cpuUsage(since)
    return (user + system) / 1000
  }
  try {
    work()
  } catch (error) {
    throw Object.assign(error as Error & Slow, { ms: took() })
  }
  return took()
}
