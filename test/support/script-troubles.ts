import type { Redis } from 'ioredis'
import { scriptText } from '../../shared/redis/scripts.ts'
import { SCRIPTS } from './script-faults.ts'

/** A defect of a server or its data, while one script is tried. */
export interface Trouble {
  name: string
  begin(): Promise<unknown>
  end(): Promise<unknown>
}

/** The refusals of scripts, and their unwanted changes. */
export interface Trials {
  refused: Set<string>
  changed: string[]
  /** Troubles that did not refuse a script. */
  accepted: string[]
}

// Repetitions of one trouble per script are limited to this.
const TIMES = 3
type Words = [keys: number, ...(string | number)[]]

// In the slot of the key, whose commands could not name both otherwise.
const asideOf = (key: string) => `aside:{${/\{(.*?)\}/.exec(key)?.[1] ?? key}}`
// Values that scripts count with or decode.
const COUNTER = /^(opened|merged|grouped|listed|done|of|since|releases|releasedAt|threads|settled|#\w+|fate:\w+)$/

// Records a script's commands, and ends it at its first write.
const LOOKING = `
local server, used = redis, {}
local redis = setmetatable({}, { __index = server })
local reads = { TIME = 1, HMGET = 1, HGETALL = 1, HEXISTS = 1, EXISTS = 1, GET = 1, XPENDING = 1, XINFO = 1, XRANGE = 1, TYPE = 1, ZSCORE = 1,
  ZCARD = 1, ZRANGE = 1, ZRANGEBYSCORE = 1, LRANGE = 1, LLEN = 1, HGET = 1, HKEYS = 1,
  HLEN = 1, SMEMBERS = 1, SISMEMBER = 1 }
redis.acl_check_cmd = function(...)
  used[#used + 1] = { ... }
  return true
end
local function asked(give)
  return function(...)
    used[#used + 1] = { ... }
    if reads[(...)] then return give(...) end
    error('USED' .. cjson.encode(used) .. 'USED')
  end
end
redis.call, redis.pcall = asked(server.call), asked(server.pcall)
`

/**
 * Tries each script of a connection under every relevant trouble before its call, on a server that `admin` controls. `state` distinguishes
 * states of the server.
 */
export function trying(
  redis: Redis,
  admin: Redis,
  { user, state }: { user: string; state: () => Promise<unknown> },
): Trials {
  const trials: Trials = { refused: new Set(), changed: [], accepted: [] }
  const times = new Map<string, number>()
  let last: Promise<unknown> = Promise.resolve()
  for (const script of SCRIPTS) {
    const text = scriptText(script)
    const looking = /^#!/.test(text) ? text.replace('\n', LOOKING) : `${LOOKING}${text}`
    const call = (...words: Words) => tried(script, text, looking, words)
    Object.assign(redis, {
      // One at a time: changes of another script would count against it.
      [`mailsluice-${script}`]: (...words: Words) => {
        const answer = last.then(() => call(...words))
        last = answer.catch(() => undefined)
        return answer
      },
    })
  }
  return trials

  async function tried(script: string, text: string, looking: string, words: Words): Promise<unknown> {
    const { commands, keys } = await uses(looking, words)
    const ofKeys = await Promise.all(keys.map(ofKey))
    for (const trouble of [...commands.map(withdrawn), ...ofKeys.flat()]) {
      const name = `${script} ${trouble.name}`
      const count = (times.get(name) ?? 0) + 1
      times.set(name, count)
      if (count > TIMES) continue
      const before = JSON.stringify(await state())
      await trouble.begin()
      const answer = await redis.eval(text, ...words).then(
        value => ({ value }),
        (refusal: Error) => ({ refusal }),
      )
      await trouble.end()
      if ('value' in answer) {
        trials.accepted.push(name)
        return answer.value
      }
      trials.refused.add(name)
      if (JSON.stringify(await state()) !== before) trials.changed.push(`${name}: ${answer.refusal.message}`)
    }
    return redis.eval(text, ...words)
  }

  async function uses(looking: string, words: Words) {
    const error = await redis.eval(looking, ...words).then(
      () => undefined,
      (thrown: Error) => thrown,
    )
    const used = JSON.parse(/USED(.*)USED/s.exec(error?.message ?? '')?.[1] ?? '[]') as [string, ...string[]][]
    const keys = new Map<string, Set<string>>(words.slice(1, 1 + words[0]).map(key => [String(key), new Set()]))
    const touched = used.flatMap(([, ...rest]) => rest.slice(0, 2).filter(key => keys.has(key)))
    for (const [command, key = '', ...fields] of used) {
      if (command === 'HMGET') for (const field of fields) keys.get(key)?.add(field)
    }
    return {
      commands: [...new Set(used.map(([command]) => command.toLowerCase()))],
      keys: [...new Set(touched)].map(key => ({ key, fields: keys.get(key) ?? new Set() })),
    }
  }

  function withdrawn(command: string): Trouble {
    return {
      name: `without ${command}`,
      begin: () => admin.call('ACL', 'SETUSER', user, `-${command}`),
      end: () => admin.call('ACL', 'SETUSER', user, `+${command}`),
    }
  }

  async function ofKey({ key, fields }: { key: string; fields: ReadonlySet<string> }): Promise<Trouble[]> {
    const [type, kind] = [
      await admin.type(key),
      key
        .replace(/\{.*?\}/, '')
        .split(':')
        .slice(0, 3)
        .join(':'),
    ]
    const isText = type === 'string' || key.includes(':seen:')
    const another = isText ? () => admin.rpush(key, 'x') : () => admin.set(key, 'x')
    const troubles: Trouble[] = []
    // A key with a message is overwritten or deleted.
    if (type !== 'string' && !key.includes(':msg:') && !key.endsWith(':suspects')) {
      troubles.push({
        name: `with a wrong type of ${kind}`,
        begin: async () => {
          if (type !== 'none') await admin.rename(key, asideOf(key))
          await another()
        },
        end: async () => {
          await admin.del(key)
          if (type !== 'none') await admin.rename(asideOf(key), key)
        },
      })
    }
    if (type === 'hash') troubles.push(...ofFields(key, kind, await admin.hgetall(key), fields))
    return troubles
  }

  function ofFields(key: string, kind: string, held: Record<string, string>, fields: ReadonlySet<string>): Trouble[] {
    return Object.entries(held).flatMap(([field, value]): Trouble[] => {
      if (!fields.has(field)) return []
      const isJson = /^[[{]/.test(value)
      if (!isJson && !COUNTER.test(field)) return []
      const wrong = isJson ? '{' : 'many'
      const name = `with a wrong value of ${kind} ${field.replace(/:.*/, '')}`
      return [
        {
          name,
          begin: () => admin.hset(key, field, wrong),
          end: async () => {
            if ((await admin.hget(key, field)) === wrong) await admin.hset(key, field, value)
          },
        },
      ]
    })
  }
}
