import type { Redis } from 'ioredis'
import { LANES } from '../envelope.ts'
import { type MailboxId, providerOf } from '../mailbox.ts'
import { GROUP_NAMES } from '../stage.ts'
import { STREAMS } from '../streams.ts'
import type { Keys, Partition } from './keys.ts'
import { scanEntries, scanKeys, scanMembers } from './scan.ts'
import { ENTRY, EVENT, RUN } from './schema.ts'
import { forgetSubscriptionsOf } from './subscriptions.ts'

/** The numbers of removed keys and of removed entries in shared streams. The stages drop `waiting` entries when they reach them. */
export interface Removed {
  keys: number
  entries: number
  waiting: number
}

/**
 * Removes a mailbox and everything under its name or of its runs, in small steps. From the first step on, nothing more is written for it.
 * After an interruption it must be called again; repeating it is harmless. Unread tasks are removed too.
 */
export async function removeMailbox(redis: Redis, keys: Keys, mailbox: MailboxId): Promise<Removed> {
  const partition = keys.partitionOf(mailbox)
  const head = keys.head(partition)
  const removed: Removed = { keys: 0, entries: 0, waiting: 0 }
  const own = [keys.mailbox(mailbox), keys.secret(mailbox), keys.refreshing(mailbox), keys.parked(mailbox)]
  const first = await redis
    .multi()
    .unlink(...own)
    .srem(keys.mailboxes(partition), mailbox)
    .exec()
  removed.keys += Number(first?.[0]?.[1] ?? 0)

  await forgetSubscriptionsOf(redis, keys, mailbox)
  const runs = await runsOf(redis, keys, { partition, mailbox })
  for await (const page of scanKeys(redis, `${head}*`)) {
    const gone = page.filter(key => belongs(key.slice(head.length), mailbox, runs))
    if (gone.length > 0) removed.keys += await redis.unlink(...gone)
  }
  for (const page of pagesOf([...runs])) {
    await redis.zrem(keys.runs(partition), ...page)
    await redis.zrem(keys.endedRuns(partition), ...page)
  }

  for (const stage of GROUP_NAMES) {
    const delays = keys.delay(partition, stage)
    for await (const members of scanMembers(redis, delays)) {
      const gone = members.filter(member => isOf(mailbox, member.slice(member.indexOf('\n') + 1)))
      if (gone.length > 0) removed.entries += await redis.zrem(delays, ...gone)
    }
    removed.entries += await removeEntries(redis, keys.dead(partition, stage), fields => isOfFields(mailbox, fields))
  }
  for (const reported of [keys.metrics(partition, providerOf(mailbox)), keys.mailboxEvents(partition)]) {
    removed.entries += await removeEntries(redis, reported, fields => fieldOf(fields, EVENT.mailbox) === mailbox)
  }
  for (const { name, forWorkers, fromWorkers } of STREAMS) {
    for (const lane of LANES) {
      const key = keys.stream(partition, name, lane)
      // What external workers read or write contains mail, and no group of ours reads it to the end: it is always removed.
      if (forWorkers || fromWorkers)
        removed.entries += await removeEntries(redis, key, fields => isOfFields(mailbox, fields))
      else await removeDone(redis, key, mailbox, removed)
    }
  }
  return removed
}

/** Returns the runs of a mailbox, including those no longer in the index. */
async function runsOf(
  redis: Redis,
  keys: Keys,
  { partition, mailbox }: { partition: Partition; mailbox: MailboxId },
): Promise<Set<string>> {
  const head = keys.run(partition, '')
  const runs = new Set<string>()
  for await (const page of scanKeys(redis, `${head}*`)) {
    const found = page.filter(key => !key.slice(head.length).includes(':'))
    const names = await Promise.all(found.map(key => redis.hget(key, RUN.mailbox)))
    for (const [place, key] of found.entries()) if (names[place] === mailbox) runs.add(key.slice(head.length))
  }
  return runs
}

// `kind:mailbox`, `kind:mailbox:…`, `run:RUN…` or `window:RUN:…`
function belongs(rest: string, mailbox: MailboxId, runs: ReadonlySet<string>): boolean {
  const cut = rest.indexOf(':')
  const [kind, name] = [rest.slice(0, cut), rest.slice(cut + 1)]
  if (kind === 'run' || kind === 'window') return runs.has(name.split(':', 1)[0] ?? '')
  return name === mailbox || name.startsWith(`${mailbox}:`)
}

async function removeEntries(redis: Redis, key: string, isGone: (fields: string[]) => boolean): Promise<number> {
  let count = 0
  for await (const entries of scanEntries(redis, key)) {
    const gone = entries.filter(([, fields]) => isGone(fields)).map(([id]) => id)
    if (gone.length > 0) count += await redis.xdel(key, ...gone)
  }
  return count
}

// Entries that some group has yet to acknowledge stay: deleting them would make the groups' lag unreliable.
async function removeDone(redis: Redis, key: string, mailbox: MailboxId, removed: Removed): Promise<void> {
  for await (const entries of scanEntries(redis, key)) {
    const ours = entries.filter(([, fields]) => isOfFields(mailbox, fields)).map(([id]) => id)
    const groups = ours.length > 0 ? ((await redis.xinfo('GROUPS', key)) as unknown[][]) : []
    const settled = await Promise.all(ours.map(id => isDone(redis, { key, id, groups })))
    const done = ours.filter((_, place) => settled[place])
    if (done.length > 0) removed.entries += await redis.xdel(key, ...done)
    removed.waiting += ours.length - done.length
  }
}

/** Returns whether every group has read and acknowledged an entry; false where there is no group. */
async function isDone(redis: Redis, { key, id, groups }: { key: string; id: string; groups: unknown[][] }) {
  const answers = await Promise.all(
    groups.map(async fields => {
      const value = (name: string) => String(fields[fields.indexOf(name) + 1])
      if (isAfter(id, value('last-delivered-id'))) return false
      return (await redis.xpending(key, value('name'), id, id, 1)).length === 0
    }),
  )
  return answers.length > 0 && answers.every(done => done)
}

function isAfter(id: string, other: string): boolean {
  const [ms = 0n, seq = 0n] = id.split('-').map(BigInt)
  const [otherMs = 0n, otherSeq = 0n] = other.split('-').map(BigInt)
  return ms > otherMs || (ms === otherMs && seq > otherSeq)
}

function isOfFields(mailbox: MailboxId, fields: string[]): boolean {
  return isOf(mailbox, fieldOf(fields, ENTRY.envelope) ?? '')
}

function isOf(mailbox: MailboxId, envelope: string): boolean {
  if (!envelope.includes(mailbox)) return false
  try {
    return (JSON.parse(envelope) as { mailbox?: unknown } | null)?.mailbox === mailbox
  } catch {
    return false
  }
}

function fieldOf(fields: string[], name: string): string | undefined {
  const place = fields.findIndex((field, at) => at % 2 === 0 && field === name)
  return place < 0 ? undefined : fields[place + 1]
}

const MAX_PER_PAGE = 1000

function pagesOf(items: readonly string[]): string[][] {
  return Array.from({ length: Math.ceil(items.length / MAX_PER_PAGE) }, (_, page) =>
    items.slice(page * MAX_PER_PAGE, (page + 1) * MAX_PER_PAGE),
  )
}
