import fc from 'fast-check'
import t from 'tap'
import { nextRound, type Round } from '../../../shared/outlook/round.ts'

/** Follows the generated links and returns the number of pages until the listing is stopped. */
function follow(linkAt: (page: number) => string, { items = 1, most = 100_000 } = {}) {
  let round: Round | undefined
  for (let page = 0; page < most; page++) {
    try {
      round = nextRound(round, { link: linkAt(page), items }, 'a test')
    } catch (thrown) {
      return { page, said: (thrown as Error).message }
    }
  }
  return { page: most, said: undefined }
}

t.test('every circle is found soon after it closes', async t => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 1, max: 300 }), (before, length) => {
      const link = (page: number) => `${page < before ? page : before + ((page - before) % length)}`
      const { page, said } = follow(link, { most: 5000 })
      t.match(said, /form a circle/)
      t.ok(page <= 3 * (before + length) + 2, `${page} pages for ${before} and ${length}`)
    }),
    { numRuns: 60 },
  )
})

t.test('a long listing is not a circle', async t => {
  t.same(
    follow(page => `${page}`, { most: 100_000 }),
    { page: 100_000, said: undefined },
  )
  t.same(
    follow(page => `${page}`, { items: 0, most: 900 }),
    { page: 900, said: undefined },
  )
})

t.test('empty pages in a row and too many messages are reported', async t => {
  t.match(
    follow(page => `${page}`, { items: 0 }),
    { page: 999, said: /a test: 1000 empty pages in a row/ },
  )
  t.match(
    follow(page => `${page}`, { items: 1000 }),
    { page: 10_000, said: /more than 10000000 messages/ },
  )
})
