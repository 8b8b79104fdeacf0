import { createHash } from 'node:crypto'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import type { MailboxId } from '../mailbox.ts'
import type { FolderFault, Links } from '../provider/links.ts'
import type { Keys } from './keys.ts'
import { LIFETIME } from './schema.ts'

const NAME_CHARACTERS = 16

/**
 * Creates the links of a mailbox: one string each, named by its digest; each method is one round trip. Nothing is stored for a mailbox that
 * is not connected. Redis errors are passed on unchanged.
 */
export function createLinks(redis: Redis, keys: Keys, mailbox: MailboxId): Links {
  return {
    async keep(texts) {
      const named = texts.map(text => ({ text, name: nameOf(text) }))
      await keepAll(named.map(({ text, name }) => ({ key: keys.link(mailbox, name), text })))
      return named.map(({ name }) => name)
    },

    async read(names) {
      const pipeline = redis.pipeline()
      for (const name of names) pipeline.getex(keys.link(mailbox, name), 'EX', LIFETIME.link)
      const texts = await done(pipeline)
      return new Map(
        names.flatMap((name, place): [string, string][] => {
          const text = texts[place]
          return typeof text === 'string' ? [[name, text]] : []
        }),
      )
    },

    async retire(names) {
      const pipeline = redis.pipeline()
      for (const name of names) pipeline.expire(keys.link(mailbox, name), LIFETIME.oldLink)
      await done(pipeline)
    },

    folders: async () => (await redis.getex(keys.folders(mailbox), 'EX', LIFETIME.link)) ?? undefined,

    keepFolders: text => keepAll([{ key: keys.folders(mailbox), text }]),

    faults: () => readFolderFaults(redis, keys, mailbox),

    async noteFaults(changes) {
      const key = keys.folderFaults(mailbox)
      const pipeline = redis.pipeline()
      for (const [folder, fault] of changes) {
        if (fault) pipeline.hset(key, folder, JSON.stringify(fault))
        else pipeline.hdel(key, folder)
      }
      pipeline.expire(key, LIFETIME.link)
      const isConnected = (await done(pipeline.exists(keys.mailbox(mailbox)))).at(-1) === 1
      if (!isConnected) await redis.unlink(key)
    },
  }

  // Removing a mailbox deletes its record first: a later write finds the record missing, and an earlier write is found by its key name.
  async function keepAll(kept: readonly { key: string; text: string }[]): Promise<void> {
    if (kept.length === 0) return
    const pipeline = redis.pipeline()
    for (const { key, text } of kept) pipeline.set(key, text, 'EX', LIFETIME.link)
    const isConnected = (await done(pipeline.exists(keys.mailbox(mailbox)))).at(-1) === 1
    if (!isConnected) await redis.unlink(...kept.map(({ key }) => key))
  }
}

const faultSchema = z.object({
  name: z.string(),
  since: z.number(),
  times: z.number(),
  tryAt: z.number(),
  reason: z.string(),
})

/** Returns the folders of a mailbox that cannot be listed now, by id; unreadable entries are skipped. */
export async function readFolderFaults(
  redis: Redis,
  keys: Keys,
  mailbox: MailboxId,
): Promise<ReadonlyMap<string, FolderFault>> {
  const fields = Object.entries(await redis.hgetall(keys.folderFaults(mailbox)))
  return new Map(
    fields.flatMap(([folder, text]): [string, FolderFault][] => {
      const fault = faultIn(text)
      return fault ? [[folder, fault]] : []
    }),
  )
}

function faultIn(text: string): FolderFault | undefined {
  try {
    return faultSchema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

/** Returns the names of links that a cursor or a page may contain. */
export function linkNamesIn(text: string): string[] {
  return text.split(/[:,]/).filter(word => word.length === NAME_CHARACTERS)
}

function nameOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, NAME_CHARACTERS)
}

async function done(pipeline: ReturnType<Redis['pipeline']>): Promise<unknown[]> {
  if (pipeline.length === 0) return []
  const results = (await pipeline.exec()) ?? []
  return results.map(([error, value]) => {
    if (error) throw error
    return value
  })
}
