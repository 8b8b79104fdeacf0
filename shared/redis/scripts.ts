import { readFileSync } from 'node:fs'
import type { Redis } from 'ioredis'
import { ownOf } from '../own.ts'
import { SCHEMA } from './schema.ts'

/** Runs one of the Lua scripts beside this file; each header states its KEYS, ARGV and result. */
export type Script = (redis: Redis, keys: readonly string[], args: readonly (string | number)[]) => Promise<unknown>

export const commitScript = script('commit')
export const beginScript = script('begin')
export const promoteScript = script('promote')
export const reclaimScript = script('reclaim')
export const ownScript = script('own')
export const aloneScript = script('alone')
export const renewLeaseScript = script('renew-lease')
export const handOverScript = script('hand-over')
export const resumeScript = script('resume')
export const redriveScript = script('redrive')
export const trimScript = script('trim')
export const unreadScript = script('unread')
export const alertScript = script('alert')
export const reapScript = script('reap')
export const leaseScript = script('lease')
export const quotaReserveScript = script('quota-reserve')
export const quotaSettleScript = script('quota-settle')
export const spendingReserveScript = script('spending-reserve')
export const spendingSentScript = script('spending-sent')
export const spendingSettleScript = script('spending-settle')
export const sinkPauseScript = script('sink-pause')
export const sinkTryScript = script('sink-try')
export const approveScript = script('approve')
export const connectScript = script('connect')
export const pauseScript = script('pause')
export const noteProbeScript = script('note-probe')
export const cacheScript = script('cache')
export const dropScript = script('drop')
export const discardScript = script('discard')
export const recallScript = script('recall')
export const secretScript = script('secret')
export const noteScript = script('note')
export const arriveScript = script('arrive')
export const deadLetterScript = script('dead-letter')
export const takeDeadScript = script('take-dead')
export const postScript = script('post')
export const inspectScript = script('inspect')
export const healScript = script('heal')
export const nudgeScript = script('nudge')
export const restoreScript = script('restore')

function script(name: string): Script {
  const text = scriptText(name)
  const plain = text.replace(/^#!lua\n/, '')
  const command = `mailsluice-${name}`

  return async function run(redis, keys, args) {
    const call = (lua: string) => {
      if (!(command in redis)) redis.defineCommand(command, { lua })
      return (redis as unknown as Record<string, (...all: unknown[]) => Promise<unknown>>)[command]?.(
        keys.length,
        ...keys,
        ...args,
      )
    }
    try {
      return await call(text)
    } catch (error) {
      // js-redis-server rejects the `#!lua` line. With that line, real servers refuse the script up front when they are out of memory.
      if (!/unexpected symbol near '#'/.test(String(error))) throw error
      redis.defineCommand(command, { lua: plain })
      return call(plain)
    }
  }
}

/**
 * Returns a script's whole text, with its parts included and the values of `schema.ts` in place of their names. Throws for a name that the
 * schema does not have. Each script becomes the command `mailsluice-<name>` of a connection that calls it.
 */
export function scriptText(name: string): string {
  return withValues(source(`${name}.lua`), name)
}

/** Replaces each name of the schema, such as `RUN.startedAt`, by its value in Lua; throws for an unknown one. */
export function withValues(text: string, script: string): string {
  return text.replace(/\b([A-Z][A-Z_]+)\.(\w+)/g, (name, group: string, field: string) => {
    const fields = ownOf(SCHEMA, group) ?? {}
    const value = ownOf(fields, field)
    if (value === undefined) throw new Error(`${script}.lua names ${name}, which shared/redis/schema.ts does not have`)
    return inLua(value)
  })
}

function inLua(value: string | number | readonly string[]): string {
  if (typeof value === 'number') return `${value}`
  if (typeof value === 'string') return `'${value}'`
  return `{ ${value.map(inLua).join(', ')} }`
}

function source(file: string): string {
  const text = readFileSync(new URL(`./lua/${file}`, import.meta.url), 'utf8')
  return text.replace(/^--@ (\S+)$/gm, (_, part: string) => source(part))
}
