import t from 'tap'
import { MailError } from '../../../shared/error.ts'
import { type GmailListing, readCursor, readPage, writeCursor, writePage } from '../../../shared/gmail/cursor.ts'

const unparsable = (work: () => unknown) => {
  try {
    work()
  } catch (thrown) {
    return thrown instanceof MailError && thrown.kind === 'unparsable'
  }
  return false
}

t.test('cursors survive a round trip', async t => {
  for (const at of ['pinned', 'history'] as const) {
    const place = { at, historyId: 18_446_744_073_709_551_615n }
    t.same(readCursor(writeCursor(place)), place)
    t.same(readCursor('pinned:7:1790000000'), { at: 'pinned', historyId: 7n, after: 1_790_000_000 })
  }
  t.equal(writeCursor({ at: 'pinned', historyId: 123n }), 'pinned:123')
})

t.test('a foreign cursor is refused', async t => {
  for (const text of [
    '',
    '123',
    'pinned:',
    'pinned:-1',
    'pinned:1.5',
    'history:12a',
    'history:1 ',
    'delta:1',
    'history:123456789012345678901',
  ]) {
    t.ok(
      unparsable(() => readCursor(text)),
      JSON.stringify(text),
    )
  }
})

t.test('pages with any token survive a round trip', async t => {
  const token = 'a:b=/+\n:1'
  const listings: GmailListing[] = [
    { list: 'newest', left: 40 },
    { list: 'all' },
    { list: 'after', seconds: 1_790_000_000 },
    { list: 'sweep' },
    { list: 'history' },
  ]
  for (const listing of listings) t.same(readPage(writePage(listing, token)), { ...listing, token })
  t.same(readPage(writePage({ list: 'sweep' })), { list: 'sweep' }, 'a sweep may start without a token')
})

t.test('a foreign page is refused', async t => {
  for (const text of ['', 'x', 'all::', 'all:5:x', 'newest::x', 'newest:-1:x', 'after:x:x', 'history:x', 'drafts::x']) {
    t.ok(
      unparsable(() => readPage(text)),
      JSON.stringify(text),
    )
  }
})
