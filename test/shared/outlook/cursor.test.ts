import fc from 'fast-check'
import t from 'tap'
import {
  type CursorState,
  type Progress,
  readCursor,
  readPage,
  writeCursor,
  writePage,
} from '../../../shared/outlook/cursor.ts'

const name = fc.stringMatching(/^[\w-]{1,20}$/)
const moment = fc.option(fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }), { nil: undefined })

t.test('a cursor survives a round trip', async t => {
  const place: fc.Arbitrary<CursorState> = fc.oneof(
    fc.record({ at: fc.constant('pinned' as const), after: moment }),
    fc.record({ at: fc.constant('folders' as const), scope: moment, marks: fc.array(name, { maxLength: 60 }) }),
  )
  fc.assert(
    fc.property(place, one => t.same(readCursor(writeCursor(one)), one, { diffOnly: true })),
    { numRuns: 300 },
  )
})

t.test('a page survives a round trip', async t => {
  const progress: fc.Arbitrary<Progress> = fc.record({
    scope: moment,
    todo: fc.array(name, { maxLength: 30 }),
    done: fc.array(name, { maxLength: 30 }),
    foldersDue: fc.boolean(),
    looks: fc.integer({ min: 0, max: 200 }),
    doubt: fc.boolean(),
    sweep: fc.option(fc.oneof(name, fc.constant('')), { nil: undefined }),
  })
  fc.assert(
    fc.property(progress, one => t.same(readPage(writePage(one)), one)),
    { numRuns: 300 },
  )
})

t.test('anything else is refused with a remedy', async t => {
  for (const text of [
    '',
    '123456',
    'pinned:x',
    'folders:',
    'folders::a,,b',
    'folders::a:b',
    'folders:-:a',
    '{"a":1}',
  ]) {
    t.throws(() => readCursor(text), { message: /not written by the Outlook adapter; connect the mailbox again/ }, text)
  }
  for (const text of ['', ':f', ':x:::', '::a,:b:', '::::s:', ':sd:::']) {
    t.throws(() => readPage(text), { message: /not written by the Outlook adapter/ }, text)
  }
})

t.test('a cursor damaged near its end is read as fast as any', async t => {
  const long = 'a'.repeat(20_000)
  const began = Date.now()
  t.throws(() => readCursor(`folders::${long}!`))
  t.throws(() => readPage(`:f:${long}:${long}!:`))
  t.ok(Date.now() - began < 5000)
})
