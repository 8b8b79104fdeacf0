import type { Redis } from 'ioredis'
import { MailError } from '../error.ts'

export interface CheckOptions {
  /** The server's name in messages, without its password. */
  place: string
  now: () => number
  /** The prefix of all keys; where given, the user must have access to them. */
  prefix?: string
}

/** The server's version, such as `redis 7.0.15`. */
export interface ServerVersion {
  major: number
  label: string
}

// Valkey's first version, 7.2, is Redis 7.2.4 under another name.
const OLDEST_MAJOR = 7
const SKEW_TO_WARN_MS = 5000

// Every command in use, with `k` for a key and as many words as the server counts before it checks the user's rights.
const COMMANDS = `
  INFO | TIME | EVAL s 0 | EVALSHA s 0 | TYPE k | EXISTS k | DEL k | UNLINK k | EXPIRE k 1 | PEXPIRE k 1 | PTTL k | PERSIST k | GET k | GETEX k | SET k v | SADD k v | SREM k v
  SMEMBERS k | SISMEMBER k v | SCAN 0
  HGET k f | HMGET k f | HGETALL k | HKEYS k | HLEN k | HEXISTS k f | HSET k f v | HSETNX k f v | HINCRBY k f 1 | HDEL k f | HSCAN k 0
  LLEN k | LRANGE k 0 0 | LTRIM k 0 0 | RPUSH k v | ZADD k 1 v | ZREM k v | ZSCAN k 0 | ZCARD k | ZSCORE k v | ZRANGE k 0 0 | ZREVRANGE k 0 0 | ZRANGEBYSCORE k 0 0
  ZREMRANGEBYRANK k 0 0 | XADD k * f v | XDEL k 1 | XLEN k | XRANGE k - + | XTRIM k MINID 0 | XACK k g 1 | XPENDING k g
  XCLAIM k g c 0 1 | XGROUP CREATE k g 0 | XGROUP SETID k g 0 | XGROUP DELCONSUMER k g c | XINFO STREAM k | XINFO GROUPS k
  XINFO CONSUMERS k g | MEMORY USAGE k | XREADGROUP GROUP g c STREAMS k >`
  .split(/[|\n]/)
  .map(words => words.trim().split(' '))
  .filter(([command]) => command)

/**
 * Checks that a connected server is usable, and changes nothing on it. Throws `misconfigured`, saying what is wrong where and how to fix
 * it, for commands the user may not run, a replica, a cluster, a server that is too old or evicts any key. Returns warnings as sentences.
 */
export async function checkServer(redis: Redis, options: CheckOptions): Promise<string[]> {
  const { place } = options
  await checkPermissions(redis, options)
  const info = await redis.info()
  const version = versionOf(info)
  if (version.major < OLDEST_MAJOR)
    refuse(`${place} runs ${version.label}; mailsluice needs Redis 7.0 or Valkey 7.2 at least: upgrade it`)
  if (field(info, 'role') === 'slave') {
    const primary = `${field(info, 'master_host')}:${field(info, 'master_port')}`
    refuse(`${place} is a read-only replica: connect to its primary (${primary})`, { passes: true })
  }
  if (field(info, 'cluster_enabled') === '1')
    refuse(`${place} is a node of a cluster, which is not supported: use a server that is not in cluster mode`)
  const policy = field(info, 'maxmemory_policy') ?? 'noeviction'
  if (policy.startsWith('allkeys'))
    refuse(`${place} evicts any key when full (maxmemory-policy ${policy}): set it to noeviction or volatile-lru`)
  return checkClock(redis, options)
}

/** Reads a server's version from its answer to INFO. */
export function versionOf(info: string): ServerVersion {
  const valkey = field(info, 'valkey_version')
  const version = valkey ?? field(info, 'redis_version') ?? '0'
  const kind = valkey ? 'valkey' : 'redis'
  return { major: Number.parseInt(version, 10), label: `${kind} ${version}` }
}

// Rights are checked when a command is queued, and nothing queued here is ever executed.
async function checkPermissions(redis: Redis, { place, prefix }: CheckOptions): Promise<void> {
  const user = redis.options.username ?? 'default'
  // A reconnected connection would run the commands outside MULTI, so this one never reconnects.
  const probe = redis.duplicate({
    lazyConnect: true,
    enableReadyCheck: false,
    enableOfflineQueue: false,
    retryStrategy: () => null,
  })
  probe.on('error', () => undefined)
  try {
    await probe.connect()
    const key = `${prefix ?? 'mailsluice'}:{p00}:probe`
    // EXEC outside MULTI has no effect either.
    const denied = [await denial(probe, ['EXEC']), await denial(probe, ['MULTI'])]
    if (!denied[1]) {
      const commands = COMMANDS.map(words => words.map(word => (word === 'k' ? key : word)))
      denied.push(...(await Promise.all(commands.map(words => denial(probe, words)))))
    }
    const unknown = [...new Set(denied.flatMap(text => unknownCommand(text ?? '') ?? []))].filter(isNeeded)
    if (unknown.length > 0) refuse(withoutCommands(place, unknown))
    const missing = [
      ...new Set(
        denied.flatMap(text => (text?.includes('NOPERM') ? (/ run the '([^']+)'/.exec(text)?.[1] ?? []) : [])),
      ),
    ]
    if (missing.length > 0) {
      const rules = missing.map(command => `+${command}`).join(' ')
      const names = missing.map(command => command.toUpperCase().replace('|', ' ')).join(', ')
      refuse(`${place} does not let its user "${user}" use ${names}: allow it with ACL SETUSER ${user} ${rules}`, {
        passes: true,
      })
    }
    if (prefix && denied.some(text => text?.includes('NOPERM')))
      refuse(
        `${place} does not let its user "${user}" use the keys ${prefix}:*: allow it with ACL SETUSER ${user} ~${prefix}:*, or change REDIS_PREFIX`,
        { passes: true },
      )
  } finally {
    probe.disconnect()
  }
}

// Without MEMORY the size of tasks is estimated.
function isNeeded(command: string): boolean {
  return command !== 'MEMORY'
}

/** Returns the command, in capitals, that an answer reports as unknown. */
export function unknownCommand(answer: string): string | undefined {
  return /unknown (?:sub)?command [`'"]?([\w|.-]{1,60})/i.exec(answer)?.[1]?.toUpperCase()
}

/** Returns the message for a server that lacks commands, with a remedy. */
export function withoutCommands(place: string, commands: readonly string[]): string {
  const them = commands.length === 1 ? 'it was' : 'they were'
  const why = `${them} renamed or switched off there, or its service has none`
  return `${place} does not know ${commands.join(', ')}: ${why}. Take \`rename-command\` out of its configuration, or use another server`
}

async function denial(probe: Redis, [command = '', ...args]: readonly string[]): Promise<string | undefined> {
  try {
    await probe.call(command, ...args)
    return undefined
  } catch (error) {
    const { name, message } = error as Error
    if (name !== 'ReplyError') throw error
    return message
  }
}

async function checkClock(redis: Redis, { place, now }: CheckOptions): Promise<string[]> {
  const before = now()
  const [seconds, micros] = await redis.time()
  const after = now()
  const apart = Number(seconds) * 1000 + Number(micros) / 1000 - (before + after) / 2
  // The round trip is no clock difference.
  const skewMs = Math.max(0, Math.abs(apart) - (after - before) / 2)
  if (skewMs <= SKEW_TO_WARN_MS) return []
  const direction = apart > 0 ? 'ahead of' : 'behind'
  return [`the clock of ${place} is ${Math.round(skewMs / 1000)} s ${direction} this machine's: set both by NTP`]
}

function field(info: string, name: string): string | undefined {
  return new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1]
}

// `passes` marks conditions that can change while we wait.
function refuse(message: string, { passes = false } = {}): never {
  throw new MailError('misconfigured', message, { passes })
}
