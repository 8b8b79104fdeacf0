// Runs compiled test files, each as a plain `node` process, and parses its tap output.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Parser } from 'tap-parser'

const FILE_TIMEOUT_MS = 300_000
// Shorter, so that tap itself can name the test.
const TEST_TIMEOUT_S = 280
const LEAVE_MS = 2000
// Node with --enable-source-maps reads the maps of all that it loads; only a failure needs some.
const FLAGS = ['--import', new URL('without-hooks.mjs', import.meta.url).href]

const running = new Set()

/**
 * Runs the files, `jobs` at a time, and reports each as it ends. A file that does not end is killed with all it started; that,
 * a crash, an empty file and processes left behind are each one failure more. Resolves to the sums `{passed, failed, skipped}`.
 */
export async function runFiles(files, { root, jobs, report }) {
  const sums = { passed: 0, failed: 0, skipped: 0 }
  const queue = [...files]
  const worker = async () => {
    for (let file = queue.shift(); file; file = queue.shift()) {
      const result = await runFile(file, root)
      report(inSources(describe(nameOf(file, root), result), root))
      sums.passed += result.passed
      sums.failed += result.failures.length
      sums.skipped += result.skipped
    }
  }
  await Promise.all(Array.from({ length: jobs }, worker))
  return sums
}

/** The source that was compiled to this file, from the project's folder. */
function nameOf(file, root) {
  return relative(join(root, 'dist'), file).replace(/\.js$/, '.ts')
}

/** Kills every test that runs, with all it started: for when the runner itself is asked to end. */
export function killAll() {
  for (const pid of running) killGroup(pid, 'SIGKILL')
}

async function runFile(file, root) {
  const started = performance.now()
  const result = { passed: 0, skipped: 0, failures: [], notes: [], stderr: '', ms: 0 }
  const child = spawn(process.execPath, [...FLAGS, file], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    // A separate group, so that a test can be killed together with its servers.
    detached: true,
    env: { ...process.env, TAP_TIMEOUT: `${TEST_TIMEOUT_S}` },
  })
  running.add(child.pid)
  child.stderr.on('data', chunk => {
    result.stderr += chunk
  })
  const parsed = new Promise(resolve => {
    const parser = new Parser(resolve)
    follow(parser, [], result)
    child.stdout.pipe(parser)
  })
  let late = false
  const alarm = setTimeout(() => {
    late = true
    killGroup(child.pid, 'SIGKILL')
  }, FILE_TIMEOUT_MS)
  const [code, signal] = await new Promise(resolve => child.on('exit', (...how) => resolve(how)))
  clearTimeout(alarm)
  const left = await leftBehind(child.pid)
  const tap = await parsed
  running.delete(child.pid)
  result.ms = performance.now() - started
  if (late) fail(result, `did not end within ${FILE_TIMEOUT_MS / 1000} s, and was killed`)
  else if (left) fail(result, 'left processes behind; they were killed')
  if (result.failures.length > 0) return result
  if (code !== 0) fail(result, `ended with ${signal ?? `exit code ${code}`}`)
  else if (!tap.ok) fail(result, tap.bailout ? `gave up: ${tap.bailout}` : (tap.failures[0]?.tapError ?? 'failed'))
  else if (result.passed + result.skipped === 0 && /^(no tests found)?$/.test(tap.plan.comment))
    fail(result, 'holds no test')
  return result
}

/** Counts what was asserted, not the tests around it. */
function follow(parser, path, result) {
  let asserted
  parser.on('child', child => {
    asserted = { passed: result.passed, skipped: result.skipped, failed: result.failures.length }
    follow(child, [...path, child.name], result)
  })
  parser.on('assert', ({ ok, name, skip, todo, diag }) => {
    const before = asserted
    asserted = undefined
    const counted = result.passed + result.skipped + result.failures.length
    const isSummary = before && counted > before.passed + before.skipped + before.failed
    // The line that closes a subtest only sums it up, unless nothing in it says why it failed.
    if (isSummary && (ok || result.failures.length > before.failed)) return
    if (skip || todo) {
      result.skipped += 1
      const why = [skip, todo].find(one => typeof one === 'string')
      result.notes.push([[...path, name].join(' › '), why].filter(Boolean).join(': '))
    } else if (ok) result.passed += 1
    else fail(result, [...path, name].join(' › '), diag)
  })
}

function fail(result, what, diag) {
  result.failures.push({ what, diag })
}

async function leftBehind(pid) {
  // Processes killed at the very end may take a moment to exit.
  for (let waited = 0; killGroup(pid, 0); waited += 50) {
    if (waited > LEAVE_MS) return killGroup(pid, 'SIGKILL')
    await sleep(50)
  }
  return false
}

/** Signals a whole process group; says whether there was one. */
function killGroup(pid, signal) {
  try {
    return process.kill(-pid, signal)
  } catch {
    return false
  }
}

function describe(name, { passed, skipped, failures, notes, stderr, ms }) {
  const counts = [`${passed} passed`, failures.length && `${failures.length} failed`, skipped && `${skipped} skipped`]
  const head = `${failures.length ? '✗' : '✓'} ${name}: ${counts.filter(Boolean).join(', ')} (${Math.round(ms)} ms)`
  const skips = [...new Set(notes)].map(note => indent(`- skipped: ${note}`))
  if (failures.length === 0) return [head, ...skips].join('\n')
  const failed = failures.map(({ what, diag }) => indent(`✗ ${what}${diag ? `\n${indent(details(diag))}` : ''}`))
  return [
    head,
    ...skips,
    ...failed,
    ...(stderr ? [indent(`stderr:\n${indent(stderr.trimEnd().slice(-4000))}`)] : []),
  ].join('\n')
}

/** Replaces places in compiled files by those in their sources. */
function inSources(text, root) {
  return text.replace(/(?:file:\/\/)?([\w./+@-]+\.js):(\d+)(?::(\d+))?/g, (place, name, line, column = '1') => {
    const file = resolve(root, name)
    if (!existsSync(`${file}.map`)) return place
    const map = new SourceMap(JSON.parse(readFileSync(`${file}.map`, 'utf8')))
    const { originalSource, originalLine, originalColumn } = map.findEntry(line - 1, column - 1)
    if (originalSource === undefined) return place
    return `${relative(root, resolve(dirname(file), originalSource))}:${originalLine + 1}:${originalColumn + 1}`
  })
}

function details({ diff, compare, found, wanted, message, stack, at, ...rest }) {
  const place = stack ?? (at ? `${at.fileName}:${at.lineNumber}` : undefined)
  const values = diff ?? (wanted === undefined ? undefined : `found: ${show(found)}\nwanted: ${show(wanted)}`)
  const { source: _, ...others } = rest
  const more = values || message || Object.keys(others).length === 0 ? undefined : JSON.stringify(others)
  return [message, values, more, place].filter(Boolean).join('\n').trimEnd()
}

function show(value) {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function indent(text) {
  return text.replace(/^/gm, '  ')
}
