import t from 'tap'
import { bench } from '../support/bench.ts'

const KEYS = {
  many: ['callsPerMailbox', 'seconds', 'criticalPathSeconds', 'ratio', 'unitsRatio'],
}

const many = (...words: string[]) => bench('many', ...words)

t.test('a burst costs the ideal calls although a fetcher is killed', async t => {
  const words = ['--mailboxes', '12', '--messages', '50', '--fetchers', '2', '--kill', '--only', 'many']
  const { code, stdout, stderr } = await many(...words, '--json')
  t.equal(code, 0, stderr)
  const figures = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}')
  t.match(figures, { mailboxes: 12, idealCalls: 4 })
  for (const key of KEYS.many) t.ok(key in figures, key)
  const again = Math.round((figures.callsPerMailbox - 4) * 12)
  t.ok(again >= 0 && again <= 3, `${again} calls that were under way were made again`)
  t.ok(figures.unitsRatio >= 1 && figures.unitsRatio < 1.2, `${figures.unitsRatio} times the least units`)
})

t.test('wrong use of many prints one line', async t => {
  for (const words of [
    ['--mailboxes', '0'],
    ['--messages', 'some'],
    ['--profile', 'slow'],
    ['--only', 'fun'],
    ['--kill'],
    ['--x'],
  ]) {
    const { code, stderr } = await many(...words)
    t.equal(code, 2)
    t.match(stderr, /^Use: npm run bench -- many [^\n]*\n$/)
  }
})
