import fc from 'fast-check'
import t from 'tap'
import { isTooLarge } from '../../../shared/http/exchange.ts'
import { CUT, skimJson } from '../../../shared/http/skim.ts'

const skim = async (text: string | Buffer, size: number, limits = { longestString: 12, mostBytes: 1_000_000 }) => {
  const bytes = Buffer.from(text)
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
  }
  return skimJson(chunks(), limits)
}

t.test('long strings are cut, marked, and everything else is as it was', async t => {
  const long = { id: 'short', body: { content: 'x'.repeat(100), contentType: 'html' }, list: [1, 'y'.repeat(13), ''] }
  for (const size of [1, 3, 1000])
    t.same(JSON.parse(await skim(JSON.stringify(long), size)), {
      id: 'short',
      body: { content: `${'x'.repeat(12)}${CUT}`, contentType: 'html' },
      list: [1, `${'y'.repeat(12)}${CUT}`, ''],
    })
})

t.test('any JSON stays JSON, and its short strings are kept', async t => {
  const text = fc.string({ unit: 'binary', maxLength: 30 })
  const value = fc.dictionary(text, fc.oneof(text, fc.array(text), fc.integer()))
  await fc.assert(
    fc.asyncProperty(value, fc.integer({ min: 1, max: 50 }), async (value, size) => {
      const whole = await skim(JSON.stringify(value), size, { longestString: 1000, mostBytes: 1_000_000 })
      t.same(JSON.parse(whole), value)
      const strings: unknown[] = []
      JSON.parse(await skim(JSON.stringify(value), size), (_, one: unknown) => strings.push(one))
    }),
  )
})

t.test('a string is not cut within an escape', async t => {
  for (const one of ['\\n', '\\"', '\\\\', '\\u00e6'])
    for (let before = 0; before < 14; before++) {
      const text = `["${'x'.repeat(before)}${one}${'y'.repeat(20)}", "after"]`
      const [cut, after] = JSON.parse(await skim(text, 4)) as string[]
      t.equal(after, 'after')
      t.ok(cut?.startsWith('x'.repeat(Math.min(before, 12))) && cut.endsWith(CUT))
    }
})

t.test('an answer that is too large without its long strings is refused', async t => {
  const many = JSON.stringify(Array.from({ length: 100 }, () => 'short'))
  const thrown = await skim(many, 10, { longestString: 10, mostBytes: 500 }).catch((error: unknown) => error)
  t.ok(isTooLarge(thrown))
})
