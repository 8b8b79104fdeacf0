import type { Redis } from 'ioredis'
import type { Config } from '../../shared/config.ts'
import { type Mailbox, type MailboxId, providerOf } from '../../shared/mailbox.ts'
import type { Finding } from '../../shared/provider/filter.ts'
import { keepFindings, readFindings } from '../../shared/redis/findings.ts'
import type { Keys } from '../../shared/redis/keys.ts'
import { PROVIDERS } from '../accounts/providers.ts'
import type { Log } from '../base/log.ts'

/** The Redis that stores findings. */
interface FindingStore {
  redis: Redis
  keys: Keys
}

/**
 * Wraps a mailbox to store what its listings find for the configured filters. Warns once of a filter that matches nothing, and again only
 * after it matched in between. A failure to store blocks no mail.
 */
export function recordFilterFindings(
  source: Mailbox,
  { app, mailbox, log }: { app: FindingStore; mailbox: MailboxId; log: Pick<Log, 'warn'> },
): Mailbox {
  return {
    ...source,
    async changes(since, page, call) {
      const changes = await source.changes(since, page, call)
      if (changes.filters) await store(changes.filters).catch(() => undefined)
      return changes
    },
  }

  async function store(reported: readonly Finding[]): Promise<void> {
    const changed = await keepFindings(app.redis, app.keys, mailbox, reported)
    for (const finding of changed) if (finding.state !== 'found') log.warn({ mailbox }, lineOf(mailbox, finding))
  }
}

/** Describes for people the configured filters that match nothing in a mailbox. */
export async function unmatchedFilters(
  { redis, keys, config }: FindingStore & { config: Config },
  mailbox: MailboxId,
): Promise<string[]> {
  const known = await readFindings(redis, keys, mailbox)
  const unmatched = known.filter(finding => finding.state !== 'found' && isSet(finding, mailbox, config))
  return unmatched.map(finding => lineOf(mailbox, finding))
}

// The setting may have changed since the finding.
function isSet(finding: Finding, mailbox: MailboxId, config: Config): boolean {
  if (finding.part === 'skip') return config.SKIP_LABELS.includes(finding.name)
  return PROVIDERS.get(providerOf(mailbox))?.hasFilter?.(finding, config) ?? false
}

function lineOf(mailbox: MailboxId, { part, name, state }: Finding): string {
  if (part === 'query') return `${mailbox}: GMAIL_QUERY matches no mail: ${JSON.stringify(name)}`
  const setting = part === 'label' ? 'GMAIL_LABELS' : 'SKIP_LABELS'
  if (state === 'missing') return `${mailbox}: no label ${JSON.stringify(name)}, which ${setting} names`
  const folders = 'the only folder names are SPAM, TRASH, DRAFT, SENT and INBOX'
  return `${mailbox}: no mail has the category ${JSON.stringify(name)}, which ${setting} names; ${folders}`
}
