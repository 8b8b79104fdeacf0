import { readdirSync, readFileSync } from 'node:fs'
import type { Redis } from 'ioredis'
import { scriptText } from '../../shared/redis/scripts.ts'

const folder = new URL('../../shared/redis/lua/', import.meta.url)

/** Every script; the other Lua files are parts. */
export const SCRIPTS: readonly string[] = readdirSync(folder)
  .filter(file => readFileSync(new URL(file, folder), 'utf8').includes('-- KEYS '))
  .map(file => file.replace('.lua', ''))
  .sort()

/** Every command that scripts use, as the server names it. */
export const COMMANDS: readonly string[] = texts(
  /(?:redis\.p?call\(|stage\(\w+, |\{ )'(HDEL|HSET|(?<=\('|, ')\w+)'/g,
).sort()

/** Every kind of fact that the commit script applies to a run or a mailbox, except `paused`; the fates of a slice count as one. */
export const FACTS: readonly string[] = ['paused', ...texts(/apply\['([\w-]+)'\]/g)]
  .map(fact => fact.replace('fates', 'fate'))
  .sort()

/** Makes each script fail once at its k-th call of Redis. */
export interface Faults {
  /** Makes each script fail once at its next k-th call. */
  arm(k: number): Promise<void>
  /** The scripts that failed since the last call. */
  met(): Promise<string[]>
}

const ARMED = 'faults:armed'
const MET = 'faults:met'

// Replaces `redis`, and counts the script's calls.
const counting = (name: string) => `
local server, calls = redis, 0
local failAt = tonumber(server.call('HGET', '${ARMED}', '${name}') or 0)
local redis = setmetatable({}, { __index = server })
local function counted(give)
  return function(...)
    calls = calls + 1
    if calls == failAt then
      server.call('HDEL', '${ARMED}', '${name}')
      server.call('SADD', '${MET}', '${name}')
      error('FAULT at call ' .. calls .. ': ' .. tostring((...)))
    end
    return give(...)
  end
end
redis.call, redis.pcall = counted(server.call), counted(server.pcall)
`

/** Counts the scripts of a connection, which must not have called any yet. */
export function countCalls(redis: Redis): Faults {
  for (const name of SCRIPTS) {
    const [first = '', ...rest] = scriptText(name).split('\n')
    const lines = first.startsWith('#!') ? [first, counting(name), ...rest] : [counting(name), first, ...rest]
    redis.defineCommand(`mailsluice-${name}`, { lua: lines.join('\n') })
  }
  return {
    async arm(k) {
      await redis.hset(ARMED, Object.fromEntries(SCRIPTS.map(name => [name, k])))
    },
    async met() {
      const names = await redis.smembers(MET)
      await redis.del(MET)
      return names
    },
  }
}

function texts(pattern: RegExp): string[] {
  const sources = readdirSync(folder).map(file => readFileSync(new URL(file, folder), 'utf8'))
  return [...new Set(sources.flatMap(source => [...source.matchAll(pattern)].map(([, found = '']) => found)))]
}
