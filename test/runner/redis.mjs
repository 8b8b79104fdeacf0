// Provides the real Redis of the tests.
import { spawn } from 'node:child_process'

const OLDEST_MAJOR = 7

/** Makes sure that a `redis-server` of 7.0 or newer is on PATH; resolves to its version, or rejects with what to install. */
export async function ensureRedisServer() {
  const found = await redisVersion()
  if (isRecent(found)) return found
  if (found === undefined && (await canInstall())) {
    process.stdout.write('No redis-server on PATH: installing the Debian package redis-server…\n')
    await install()
  }
  const now = await redisVersion()
  if (isRecent(now)) return now
  throw new Error(
    `The tests need redis-server 7.0 or newer on PATH; ${now ? `found ${now}` : 'found none'}. Install it (Debian and Ubuntu: apt-get install redis-server; macOS: brew install redis), then run npm test again.`,
  )
}

async function redisVersion() {
  const { status, stdout } = await run('redis-server', ['--version'])
  return status === 0 ? /v=(\d+\.\d+\.\d+)/.exec(stdout)?.[1] : undefined
}

function isRecent(version) {
  return version !== undefined && Number.parseInt(version, 10) >= OLDEST_MAJOR
}

/** Whether Debian packages can be installed here. */
export async function canInstall() {
  return process.getuid?.() === 0 && (await run('apt-get', ['--version'])).status === 0
}

async function install() {
  const packages = ['install', '-y', '--no-install-recommends', 'redis-server']
  // Without package lists (a fresh container), or with outdated ones, the first try fails.
  if ((await apt(packages)).status !== 0 && (await apt(['update'])).status === 0) {
    const { status, stderr } = await apt(packages)
    if (status !== 0) process.stdout.write(stderr)
  }
  // The package starts its own server where there is an init system; the tests start theirs.
  if ((await run('systemctl', ['disable', '--now', 'redis-server'])).status !== 0)
    await run('service', ['redis-server', 'stop'])
}

/** Runs apt-get without questions. */
export function apt(words) {
  return run('apt-get', ['-q', ...words], { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' })
}

/** Runs a program to its end; `status` is null where there is none. */
export function run(program, words, environment = {}) {
  return new Promise(resolve => {
    const child = spawn(program, words, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    })
    const heard = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr']) {
      child[name].setEncoding('utf8').on('data', text => {
        heard[name] += text
      })
    }
    child.on('error', () => resolve({ status: null, ...heard }))
    child.on('close', status => resolve({ status, ...heard }))
  })
}
