import { Readable } from 'node:stream'
import t from 'tap'
import { createBodyReader } from '../../../pipeline/gateway/body.ts'

const PIECE_BYTES = 16 * 1024
const none = { length: 0, take: () => undefined }

t.test('a body is passed on completely and in order, in pieces', async t => {
  const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, n) => n % 251))
  const pieces: Buffer[] = []
  const read = createBodyReader(1_000_000)
  await read(Readable.from([bytes.subarray(0, 70_000), bytes.subarray(70_000)]), {
    limit: bytes.length,
    length: 0,
    take: piece => void pieces.push(Buffer.from(piece)),
  })
  t.ok(Buffer.concat(pieces).equals(bytes))
  t.ok(pieces.every(({ length }) => length <= PIECE_BYTES))
})

t.test('long bodies take turns piece by piece, and short ones do not wait', async t => {
  const read = createBodyReader(10_000_000)
  let turn = 0
  const ticking = setInterval(() => undefined, 1000)
  const tick = () => {
    turn += 1
    handle = setImmediate(tick)
  }
  let handle = setImmediate(tick)
  t.teardown(() => {
    clearInterval(ticking)
    clearImmediate(handle)
  })
  const longTurns: number[] = []
  let isFirst = true
  const long = Array.from({ length: 20 }, () => {
    let taken = 0
    return read(Readable.from([Buffer.alloc(10 * PIECE_BYTES)]), {
      limit: 1_000_000,
      length: 0,
      take: () => {
        taken += 1
        if (taken > 1) longTurns.push(turn)
      },
    })
  })
  const short = read(Readable.from([Buffer.from('short')]), {
    limit: 10,
    length: 5,
    take: () => {
      isFirst = longTurns.length === 0
    },
  })
  await Promise.all([...long, short])
  t.equal(longTurns.length, 180)
  const mostInATurn = Math.max(...[...new Set(longTurns)].map(one => longTurns.filter(other => other === one).length))
  t.ok(mostInATurn <= 2, `${mostInATurn} in one turn`)
  t.ok(isFirst)
})

t.test('a body is refused when its declared or real length is too long', async t => {
  const read = createBodyReader(1_000_000)
  let took = 0
  const take = (piece: Buffer) => {
    took += piece.length
  }
  await t.rejects(read(Readable.from([]), { ...none, limit: 10, length: 11 }), { message: /too long/ })
  await t.rejects(read(Readable.from([Buffer.alloc(6), Buffer.alloc(6)]), { limit: 10, length: 0, take }), {
    message: /too long/,
  })
  t.equal(took, 6, 'the excess is not read')
})

t.test('the total size of bodies is bounded, except for short ones', async t => {
  const most = 100_000
  const read = createBodyReader(most)
  const stuck = new Readable({ read: () => undefined })
  stuck.push(Buffer.alloc(most - 1))
  const reading = read(stuck, { limit: 1_000_000, length: 0, take: () => undefined })
  await new Promise(resolve => setTimeout(resolve, 50))
  await t.rejects(read(Readable.from([Buffer.alloc(50_000)]), { ...none, limit: 1_000_000 }), {
    message: /too many large requests/,
  })
  await read(Readable.from([Buffer.alloc(10_000)]), { ...none, limit: 1_000_000 })
  stuck.destroy(new Error('gone'))
  await t.rejects(reading, { message: /body is incomplete/ })
  await read(Readable.from([Buffer.alloc(50_000)]), { ...none, limit: 1_000_000 })
  await t.rejects(
    read(stuck, { ...none, limit: 10 }),
    { message: /body is incomplete/ },
    'a closed request is not awaited',
  )
})
