import t from 'tap'
import { prettyLines } from '../../../pipeline/base/log.ts'
import { table } from '../../../pipeline/base/table.ts'
import { printable, printableLine } from '../../../pipeline/base/terminal.ts'
import { HOSTILE, obeyedIn } from '../../support/hostile.ts'

t.test('printed JSON has no control characters and the same value', async t => {
  const all = Array.from({ length: 0x3000 }, (_, code) => String.fromCharCode(code)).join('')
  const rest = '\ud800 \udfff \ufeff \ufff9\ufffb \u{e0001}\u{e007f} \u{1d173}'
  for (const text of [all, rest, HOSTILE, '\\u001b \\\u001b \\\\\u009b "\u009b"']) {
    const printed = printable(JSON.stringify({ [text]: [text] }))
    t.same(JSON.parse(printed), { [text]: [text] })
    t.same(obeyedIn(printed), [])
  }
})

t.test('text for people keeps its words, its lines, its emoji and every script', async t => {
  const kept = 'Grüße\t日本語 עברית العربية नमस्ते می‌خواهم 👩‍👧 e\u0301\nsecond line'
  t.equal(printable(kept), kept)
  t.equal(printable('a\u001b]0;b\u0007c'), 'a\\u001b]0;b\\u0007c')
  t.equal(printable('gnp.\u202egpj'), 'gnp.\\u202egpj')
  t.equal(printable('a\rb\u0085c\u2028d\u{e0041}'), 'a\\u000db\\u0085c\\u2028d\\udb40\\udc41')
  t.equal(printableLine('a\n12:00 INFO forged\tb'), 'a\\u000a12:00 INFO forged\\u0009b')
})

t.test('a table’s cells are printable, and its columns stay straight', async t => {
  const rows = table(['name', 'size'], 1)
  rows.push([`one ${HOSTILE}`, 1])
  rows.push(['two\nforged', 2])
  const lines = rows.toString().split('\n')
  t.same(obeyedIn(lines.join('\n')), [])
  t.equal(new Set(lines.map(line => line.length)).size, 1, lines.join('\n'))
})

t.test('the readable log escapes what it quotes, in messages, fields, names of fields and stacks', async t => {
  const pretty = prettyLines()
  const quoted = `${HOSTILE}\n[12:00:00] INFO: forged`
  const line = JSON.stringify({
    level: 50,
    time: 0,
    msg: quoted,
    reason: quoted,
    error: `Error: ${HOSTILE}\n    at a.js`,
    inner: [{ [HOSTILE]: quoted }],
  })
  const printed = pretty(line)
  t.same(obeyedIn(printed), [])
  t.match(printed, 'ERROR: ')
  t.equal(printed.split('\n').filter(one => /^\[\d\d:\d\d:\d\d\] /.test(one)).length, 1, printed)
})
