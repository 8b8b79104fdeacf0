import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { bench } from '../support/bench.ts'

t.test('the bench of texts reads an mbox file and hostile pages', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'mailsluice-text-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const mail = (index: number) =>
    `From ana@example.com Thu Oct  1 00:00:${10 + index} 2026\nFrom: ana@example.com\nSubject: ${index}\nMessage-ID: <${index}@example.com>\n\nText ${index}.\n> quoted\n\n`
  await writeFile(join(folder, 'a.mbox'), Array.from({ length: 40 }, (_, index) => mail(index)).join(''))
  const { stdout, stderr } = await bench('text', '--mbox', join(folder, 'a.mbox'), '--json')
  const result = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}')
  t.equal(result.mails, 40, stderr)
  t.ok(result.perSecond > 0 && result.barePerSecond > 0 && result.delayP999 > 0)
  // Each batch takes one of the hostile pages.
  t.match(result.hostile, [
    { name: 'nested divs', characters: 4 },
    { name: 'closed divs', characters: 10 },
  ])
})

t.test('wrong use prints one line', async t => {
  const { code, stderr } = await bench('text', '--loudly')
  t.equal(code, 2)
  t.match(stderr, /^Use: npm run bench -- text [^\n]*\n$/)
})
