import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'

const RUNNER = new URL('../../test/runner/files.mjs', import.meta.url)
const PASSES = "t.test('a test', async t => { t.ok(true) })"

const files: Record<string, [code: string, counts: { passed?: number; failed: number; skipped: number }]> = {
  'a passing test': [PASSES, { passed: 1, failed: 0, skipped: 0 }],
  'a failing test': ["t.test('a test', async t => { t.ok(false) })", { passed: 0, failed: 1, skipped: 0 }],
  'a skipped test': ["t.test('a test', { skip: 'why' }, async t => {})", { passed: 0, failed: 0, skipped: 1 }],
  'an error that a timer throws': [
    `${PASSES}\nt.test('waits', async () => {\n  setTimeout(() => { throw new Error('unexpected') })\n  await new Promise(resolve => setTimeout(resolve, 1000))\n})`,
    { passed: 1, failed: 1, skipped: 0 },
  ],
  'a rejection that no test awaits': [
    `${PASSES}\nt.test('waits', async () => {\n  void Promise.reject(new Error('unexpected'))\n  await new Promise(resolve => setTimeout(resolve, 1000))\n})`,
    { failed: 1, skipped: 0 },
  ],
  'an error while the file is loaded': ["throw new Error('unexpected')", { passed: 0, failed: 1, skipped: 0 }],
  'a file without a test': ['', { passed: 0, failed: 1, skipped: 0 }],
}

t.test('the runner counts what passed, failed and was skipped', async t => {
  const { runFiles } = await import(RUNNER.href)
  const root = await mkdtemp(join(tmpdir(), 'mailsluice-runner-'))
  t.teardown(() => rm(root, { recursive: true, force: true }))
  for (const [what, [code, counts]] of Object.entries(files)) {
    const file = join(root, 'one.test.mjs')
    await writeFile(file, `import t from '${import.meta.resolve('tap')}'\n${code}\n`)
    const reports: string[] = []
    const report = (text: string) => void reports.push(text)
    t.match(await runFiles([file], { root, jobs: 1, report }), counts, `${what}: ${reports}`)
    if (/unexpected/.test(code)) t.match(reports.join(''), /unexpected/, `${what}: the report holds the error`)
  }
})

t.test('the report of a failure names the place in the source', async t => {
  const { runFiles } = await import(RUNNER.href)
  const root = await mkdtemp(join(tmpdir(), 'mailsluice-runner-'))
  t.teardown(() => rm(root, { recursive: true, force: true }))
  const file = join(root, 'one.test.js')
  await writeFile(join(root, 'package.json'), '{ "type": "module" }')
  await writeFile(file, `import t from '${import.meta.resolve('tap')}'\nt.ok(false)\nthrow new Error('unexpected')\n`)
  // Every place in it is the sixth line of its source.
  const map = { version: 3, sources: ['src/one.test.ts'], names: [], mappings: 'AAKA' }
  await writeFile(`${file}.map`, JSON.stringify(map))
  const reports: string[] = []
  await runFiles([file], { root, jobs: 1, report: (text: string) => void reports.push(text) })
  t.match(reports.join(''), /src\/one\.test\.ts:6:1/)
  t.notMatch(reports.join(''), /one\.test\.js:/)
})
