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
  arm(k: number): void
  /** The scripts that failed since the last call. */
  met(): string[]
}

// Replaces `redis`, and counts the script's calls up to the one of its last word. A key of its own would lie in another slot.
const COUNTING = `
local server, calls, failAt = redis, 0, tonumber(table.remove(ARGV))
local redis = setmetatable({}, { __index = server })
local function counted(give)
  return function(...)
    calls = calls + 1
    if calls == failAt then error('FAULT at call ' .. calls .. ': ' .. tostring((...))) end
    return give(...)
  end
end
redis.call, redis.pcall = counted(server.call), counted(server.pcall)
`

type Call = (...words: (string | number)[]) => Promise<unknown>

/** Counts the scripts of a connection, which must not have called any yet. */
export function countCalls(redis: Redis): Faults {
  const armed = new Map<string, number>()
  const failed = new Set<string>()
  for (const name of SCRIPTS) {
    const [first = '', ...rest] = scriptText(name).split('\n')
    // A cluster checks the slots of keys that a script builds only where it has this line.
    const lines = first.startsWith('#!') ? [first, COUNTING, ...rest] : ['#!lua', COUNTING, first, ...rest]
    const counted = `counted-${name}`
    redis.defineCommand(counted, { lua: lines.join('\n') })
    const call: Call = (...words) =>
      (redis as unknown as Record<string, Call>)[counted]?.(...words, armed.get(name) ?? 0) ?? Promise.resolve()
    Object.assign(redis, {
      [`mailsluice-${name}`]: (...words: (string | number)[]) =>
        call(...words).catch(error => {
          if (String(error).includes('FAULT at call')) {
            armed.delete(name)
            failed.add(name)
          }
          throw error
        }),
    })
  }
  return {
    arm(k) {
      for (const name of SCRIPTS) armed.set(name, k)
    },
    met() {
      const names = [...failed]
      failed.clear()
      return names
    },
  }
}

function texts(pattern: RegExp): string[] {
  const sources = readdirSync(folder).map(file => readFileSync(new URL(file, folder), 'utf8'))
  return [...new Set(sources.flatMap(source => [...source.matchAll(pattern)].map(([, found = '']) => found)))]
}
