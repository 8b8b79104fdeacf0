// `npm test`: prepares the environment, then runs every check to its end, so that one run shows every problem.
// `npm test -- NAME…` runs only the test files whose path holds one of the names, and no other check.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, sep } from 'node:path'
import { ensureBuilt, ensureInstalled, ROOT } from '../pipeline/setup/ensure.mjs'
import { ensurePython } from './runner/python.mjs'
import { ensureRedisServer } from './runner/redis.mjs'

const MAX_JOBS = 4
// The longest tests in seconds go first, then folders of long tests, so that none remains alone at the end.
const LONGEST = [
  'bench/chaos',
  'cli/cli',
  'e2e/outlook-push',
  'shared/gmail/batch.property',
  'shared/redis/script-faults',
]
// It measures latency, so it goes last, beside short tests.
const LAST = 'bench/sync'
const LONG_FOLDERS = new Set(['e2e', 'cli', 'bench', 'faults'])

const names = process.argv.slice(2)
const sums = { passed: 0, failed: 0, skipped: 0 }

// Debian's packages are installed beside npm's, one after the other: apt-get locks out a second one.
const redisServer = ensureRedisServer()
const system = Promise.allSettled([redisServer, redisServer.then(ensurePython, ensurePython)])
try {
  await ensureInstalled()
} catch (error) {
  await give([error.message])
}
// Imported late, because it needs an installed package.
const { killAll, runFiles } = await import('./runner/files.mjs')

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => {
    killAll()
    process.exit(1)
  })
}

const [redis, python] = await system
if (redis.reason) await give([redis.reason.message])
if (!python.value) {
  // In CI nothing is left out.
  if (process.env.CI) await give(['The tests of examples/worker.py need python3-redis and python3-jsonschema.'])
  print('No python3 with redis and jsonschema: the tests of examples/worker.py are skipped')
}

// The compiler uses one core for most of a minute, so the others run beside it.
await Promise.all([
  check('types', ensureBuilt),
  ...(names.length === 0
    ? [
        check('lint', () => tool('@biomejs/biome/bin/biome', ['ci', '--error-on-warnings', '--colors=off', '.'])),
        check('dead code', () => tool('knip/bin/knip.js', [])),
      ]
    : []),
])
await tests()
await give([])

async function tests() {
  const started = performance.now()
  const files = testFiles()
  const jobs = Math.min(availableParallelism() + 1, MAX_JOBS)
  print(`\n── tests: ${files.length} files, ${jobs} at a time, redis-server ${redis.value}`)
  const counts = await runFiles(files, { root: ROOT, jobs, report: print })
  for (const count of Object.keys(sums)) sums[count] += counts[count]
  if (files.length === 0) {
    print('✗ no test file')
    sums.failed += 1
  }
  print(`── tests took ${seconds(started)}`)
}

function rankOf(file) {
  const words = file.replace('.test.js', '').split(sep)
  const name = words.slice(words.lastIndexOf('test') + 1).join('/')
  if (name === LAST) return 3
  if (LONGEST.includes(name)) return 0
  return LONG_FOLDERS.has(words.at(-2)) ? 1 : 2
}

function testFiles() {
  const folder = join(ROOT, 'dist', 'test')
  const entries = existsSync(folder) ? readdirSync(folder, { recursive: true, withFileTypes: true }) : []
  return entries
    .filter(entry => entry.isFile() && entry.name.endsWith('.test.js'))
    .map(entry => join(entry.parentPath ?? entry.path, entry.name))
    .filter(file => names.length === 0 || names.some(name => file.includes(name.replace(/\.ts$/, ''))))
    .sort((a, b) => rankOf(a) - rankOf(b) || a.localeCompare(b))
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
