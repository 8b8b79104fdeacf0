import type { Redis } from 'ioredis'
import { z } from 'zod'
import type { MailboxId } from '../mailbox.ts'
import type { Finding } from '../provider/filter.ts'
import type { Keys } from './keys.ts'
import { MAILBOX } from './schema.ts'
import { noteScript } from './scripts.ts'

const findings = z.array(
  z.object({
    part: z.enum(['label', 'skip', 'query']),
    name: z.string(),
    state: z.enum(['found', 'missing', 'unseen']),
  }),
)

/** Returns the stored findings about a mailbox's filters; none where they cannot be read. */
export async function readFindings(redis: Redis, keys: Keys, mailbox: MailboxId): Promise<Finding[]> {
  return parse(await redis.hget(keys.mailbox(mailbox), MAILBOX.filters))
}

/**
 * Adds findings to the stored ones of a mailbox, and returns the new ones. A found filter never becomes `unseen` again. Nothing is stored
 * for a mailbox that is not connected.
 */
export async function keepFindings(
  redis: Redis,
  keys: Keys,
  mailbox: MailboxId,
  reported: readonly Finding[],
): Promise<Finding[]> {
  const known = new Map((await readFindings(redis, keys, mailbox)).map(finding => [nameOf(finding), finding]))
  const news = reported.filter(finding => {
    const before = known.get(nameOf(finding))?.state
    return before !== finding.state && !(before === 'found' && finding.state === 'unseen')
  })
  if (news.length === 0) return []
  for (const finding of news) known.set(nameOf(finding), finding)
  const noted = await noteScript(
    redis,
    [keys.mailbox(mailbox)],
    [1, MAILBOX.filters, JSON.stringify([...known.values()])],
  )
  return noted === 1 ? news : []
}

function nameOf({ part, name }: Finding): string {
  return `${part} ${name}`
}

function parse(text: string | null): Finding[] {
  try {
    return findings.parse(JSON.parse(text ?? '[]'))
  } catch {
    return []
  }
}
