// What has to be there before anything of ours can run: packages and compiled code. Node builtins only.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** The project's folder. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

const DIST = join(ROOT, 'dist')
const STAMP = join(DIST, '.sources')
const LOCK = join(DIST, '.lock')
const SOURCE_FOLDERS = ['shared', 'stages', 'pipeline', 'sim', 'bench', 'examples', 'test', 'web']
const SETTINGS = ['tsconfig.json', 'package-lock.json']
const LOOK_AGAIN_MS = 50
const BEAT_MS = 1000
const SILENT_MS = 15_000

/** A step of the setup that failed; its message says what to do. */
export class SetupError extends Error {}

/**
 * Installs what is missing, then compiles what changed. Safe to call from many processes at once: one works, the others wait.
 * With nothing to do it takes some milliseconds and starts no other program. Throws SetupError.
 */
export async function ensureReady({ dev = false } = {}) {
  if (isBuilt() && isInstalled({ dev })) return
  await withLock(async () => {
    const built = isBuilt()
    if (!isInstalled({ dev: dev || !built })) await install()
    if (!built) await build()
  })
}

/** Installs what is missing, tools of development included. Throws SetupError. */
export async function ensureInstalled() {
  if (isInstalled({ dev: true })) return
  await withLock(async () => {
    if (!isInstalled({ dev: true })) await install()
  })
}

/** Compiles, if any source changed since the last time; throws SetupError with the compiler's words. */
export async function ensureBuilt() {
  if (isBuilt()) return
  await withLock(async () => {
    if (!isBuilt()) await build()
  })
}

/** Whether every package of the lock file is installed in its version; without `dev`, those needed at run time. */
function isInstalled({ dev }) {
  const wanted = packagesOf(join(ROOT, 'package-lock.json'))
  const present = packagesOf(join(ROOT, 'node_modules', '.package-lock.json'))
  return Object.entries(wanted).every(([place, { version, optional, devOptional, dev: forDevelopment }]) => {
    if (place === '' || optional || devOptional || (forDevelopment && !dev)) return true
    return present[place]?.version === version
  })
}

function packagesOf(file) {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')).packages ?? {}) : {}
}

async function install() {
  say('Installing dependencies (once)…')
  // Under `npm start`, npm says where it is; that npm is used, and not another that PATH may hold.
  const npm = process.env.npm_execpath?.endsWith('npm-cli.js')
    ? { program: process.execPath, words: [process.env.npm_execpath] }
    : { program: 'npm', words: [] }
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error', '--no-progress']
  const patience = ['--prefer-offline', '--fetch-retry-mintimeout=2000', '--fetch-retry-maxtimeout=10000']
  // NODE_ENV=production would leave out the compiler.
  const done = await run(npm.program, [...npm.words, 'ci', '--include=dev', ...quiet, ...patience])
  if (done.code === 0) return
  throw new SetupError(
    `npm ci failed: the packages mailsluice needs could not be installed. Check that this machine reaches the npm registry (npm ping), then start again.\n${done.output}`,
  )
}

async function build() {
  const fingerprint = fingerprintOfSources()
  say('Building…')
  const done = await run(process.execPath, [join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', ROOT])
  copyAssets()
  removeOrphans()
  if (done.code !== 0) throw new SetupError(`The sources do not compile:\n${done.output}`)
  writeFileSync(STAMP, fingerprint)
}

function isBuilt() {
  return existsSync(STAMP) && readFileSync(STAMP, 'utf8') === fingerprintOfSources()
}

// By content and not by time: a copied folder, a container layer or a checkout may give files any time.
function fingerprintOfSources() {
  const hash = createHash('sha1')
  for (const file of [...sources(), ...SETTINGS.map(name => join(ROOT, name))]) {
    hash
      .update(`${relative(ROOT, file)}\0`)
      .update(readFileSync(file))
      .update('\0')
  }
  return hash.digest('hex')
}

function sources() {
  return SOURCE_FOLDERS.flatMap(folder => filesUnder(join(ROOT, folder)))
}

function copyAssets() {
  for (const file of sources().filter(isAsset)) {
    const target = join(DIST, relative(ROOT, file))
    mkdirSync(dirname(target), { recursive: true })
    copyFileSync(file, target)
  }
}

// The compiler leaves what it made of files that are no more; a deleted test would still run.
function removeOrphans() {
  const kept = new Set(sources().map(file => relative(ROOT, file).replace(/\.ts$/, '.js')))
  for (const folder of SOURCE_FOLDERS) {
    for (const file of filesUnder(join(DIST, folder))) {
      if (!kept.has(relative(DIST, file).replace(/\.js\.map$/, '.js'))) unlinkSync(file)
    }
  }
}

// What is read at run time beside the compiled code: Lua scripts and the console's page.
function isAsset(file) {
  return file.endsWith('.lua') || relative(ROOT, file).startsWith(`web${sep}`)
}

function filesUnder(folder) {
  if (!existsSync(folder)) return []
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true })
  return entries
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath ?? entry.path, entry.name))
    .sort()
}

async function withLock(work) {
  mkdirSync(DIST, { recursive: true })
  for (let announced = false; !takeLock(); announced = true) {
    if (!announced) say('Waiting for another start to finish the build…')
    await sleep(LOOK_AGAIN_MS)
  }
  const release = () => rmSync(LOCK, { force: true })
  const beat = setInterval(touch, BEAT_MS)
  process.once('exit', release)
  try {
    return await work()
  } finally {
    clearInterval(beat)
    process.off('exit', release)
    release()
  }
}

function touch() {
  try {
    utimesSync(LOCK, new Date(), new Date())
  } catch {
    // Somebody removed the folder under us: the work at hand says so better than a lock can.
  }
}

function takeLock() {
  try {
    writeFileSync(LOCK, `${process.pid}`, { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
    if (isAbandoned()) rmSync(LOCK, { force: true })
    return false
  }
}

function isAbandoned() {
  try {
    // A process id may by now be another program's: a holder that lives says so by touching the file.
    if (Date.now() - statSync(LOCK).mtimeMs > SILENT_MS) return true
    const holder = Number(readFileSync(LOCK, 'utf8'))
    if (holder === process.pid) return true
    if (holder) process.kill(holder, 0)
    return false
  } catch (error) {
    return error.code === 'ESRCH'
  }
}

/** Runs a program to its end and keeps what it says. */
function run(program, words) {
  return new Promise(resolve => {
    const child = spawn(program, words, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
    const heard = []
    child.stdout.on('data', chunk => heard.push(chunk))
    child.stderr.on('data', chunk => heard.push(chunk))
    child.on('error', error => resolve({ code: 1, output: `${program}: ${error.message}` }))
    child.on('close', code => resolve({ code: code ?? 1, output: Buffer.concat(heard).toString().trimEnd() }))
  })
}

// Stdout belongs to the program that is being started.
function say(line) {
  process.stderr.write(`${line}\n`)
}
