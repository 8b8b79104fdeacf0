// `npm test`: prepares the environment, then runs every check to its end, so that one run shows every problem.
// `npm test -- NAME…` runs only the test files whose path holds one of the names, and no other check.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, sep } from 'node:path'
import { ensureBuilt, ensureInstalled, ROOT } from '../pipeline/setup/ensure.mjs'

const MAX_JOBS = 4
const LONG_FOLDERS = new Set(['e2e', 'cli', 'bench'])

const names = process.argv.slice(2)
const sums = { passed: 0, failed: 0, skipped: 0 }

try {
  await ensureInstalled()
} catch (error) {
  await give([error.message])
}
// Imported late, because they need the installed packages.
const { ensureRedisServer } = await import('./runner/redis.mjs')
const { ensurePython } = await import('./runner/python.mjs')
const { killAll, runFiles } = await import('./runner/files.mjs')

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => {
    killAll()
    process.exit(1)
  })
}

let redis
try {
  redis = ensureRedisServer()
} catch (error) {
  await give([error.message])
}

if (!ensurePython()) {
  // In CI nothing is left out.
  if (process.env.CI) await give(['The tests of examples/worker.py need python3-redis and python3-jsonschema.'])
  print('No python3 with redis and jsonschema: the tests of examples/worker.py are skipped')
}

if (names.length === 0)
  await check('lint', () => tool('@biomejs/biome/bin/biome', ['ci', '--error-on-warnings', '--colors=off', '.']))
await check('types', ensureBuilt)
if (names.length === 0) await check('dead code', () => tool('knip/bin/knip.js', []))
await tests()
await give([])

async function tests() {
  const started = performance.now()
  const files = testFiles()
  const jobs = Math.min(availableParallelism() + 1, MAX_JOBS)
  print(`\n── tests: ${files.length} files, ${jobs} at a time, redis-server ${redis}`)
  const counts = await runFiles(files, { root: ROOT, jobs, report: print })
  for (const count of Object.keys(sums)) sums[count] += counts[count]
  if (files.length === 0) {
    print('✗ no test file')
    sums.failed += 1
  }
  print(`── tests took ${seconds(started)}`)
}

function rankOf(file) {
  return LONG_FOLDERS.has(file.split(sep).at(-2)) ? 0 : 1
}

function testFiles() {
  const folder = join(ROOT, 'dist', 'test')
  const entries = existsSync(folder) ? readdirSync(folder, { recursive: true, withFileTypes: true }) : []
  return (
    entries
      .filter(entry => entry.isFile() && entry.name.endsWith('.test.js'))
      .map(entry => join(entry.parentPath ?? entry.path, entry.name))
      .filter(file => names.length === 0 || names.some(name => file.includes(name.replace(/\.ts$/, ''))))
      // Tests of the whole program take longest and go first, so that none remains alone at the end.
      .sort((a, b) => rankOf(a) - rankOf(b) || a.localeCompare(b))
  )
}

/** A step that passes or fails as one; it shows what it has to say when it fails. */
async function check(name, work) {
  const started = performance.now()
  try {
    await work()
    sums.passed += 1
    print(`✓ ${name} (${seconds(started)})`)
  } catch (error) {
    sums.failed += 1
    print(`✗ ${name} (${seconds(started)})\n${error.message}`)
  }
}

function tool(path, words) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(ROOT, 'node_modules', path), ...words], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const heard = []
    child.stdout.on('data', chunk => heard.push(chunk))
    child.stderr.on('data', chunk => heard.push(chunk))
    child.on('error', reject)
    child.on('close', code => (code === 0 ? resolve() : reject(new Error(Buffer.concat(heard).toString().trimEnd()))))
  })
}

function seconds(since) {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`
}

function print(line) {
  process.stdout.write(`${line}\n`)
}

/** The end: what could not be done at all, and the sums as the last line. */
async function give(problems) {
  for (const problem of problems) print(`✗ ${problem}`)
  const { passed, failed, skipped } = { ...sums, failed: sums.failed + problems.length }
  print(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
  // A pipe may still hold output.
  await new Promise(resolve => process.stdout.write('', resolve))
  process.exit(failed > 0 ? 1 : 0)
}
