// Provides the real Redis of the tests.
import { spawnSync } from 'node:child_process'

const OLDEST_MAJOR = 7

/** Makes sure that a `redis-server` of 7.0 or newer is on PATH; returns its version, or throws an error that says what to install. */
export function ensureRedisServer() {
  const found = redisVersion()
  if (isRecent(found)) return found
  if (found === undefined && canInstall()) {
    process.stdout.write('No redis-server on PATH: installing the Debian package redis-server…\n')
    install()
  }
  const now = redisVersion()
  if (isRecent(now)) return now
  throw new Error(
    `The tests need redis-server 7.0 or newer on PATH; ${now ? `found ${now}` : 'found none'}. Install it (Debian and Ubuntu: apt-get install redis-server; macOS: brew install redis), then run npm test again.`,
  )
}

function redisVersion() {
  const { status, stdout } = spawnSync('redis-server', ['--version'], { encoding: 'utf8' })
  return status === 0 ? /v=(\d+\.\d+\.\d+)/.exec(stdout)?.[1] : undefined
}

function isRecent(version) {
  return version !== undefined && Number.parseInt(version, 10) >= OLDEST_MAJOR
}

/** Whether Debian packages can be installed here. */
export function canInstall() {
  return process.getuid?.() === 0 && spawnSync('apt-get', ['--version']).status === 0
}

function install() {
  const packages = ['install', '-y', '--no-install-recommends', 'redis-server']
  // Without package lists (a fresh container), or with outdated ones, the first try fails.
  if (apt(packages).status !== 0 && apt(['update']).status === 0) {
    const { status, stderr } = apt(packages)
    if (status !== 0) process.stdout.write(stderr)
  }
  // The package starts its own server where there is an init system; the tests start theirs.
  if (spawnSync('systemctl', ['disable', '--now', 'redis-server']).status !== 0)
    spawnSync('service', ['redis-server', 'stop'])
}

/** Runs apt-get without questions. */
export function apt(words) {
  return spawnSync('apt-get', ['-q', ...words], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
  })
}
