import type { Redis } from 'ioredis'
import type { Config } from '../../shared/config.ts'
import { type Mailbox, type MailboxId, providerOf } from '../../shared/mailbox.ts'
import type { Finding } from '../../shared/provider/filter.ts'
import { keepFindings, readFindings } from '../../shared/redis/findings.ts'
import type { Keys } from '../../shared/redis/keys.ts'
import type { Log } from '../base/log.ts'

/** Where findings are kept. */
interface Kept {
  redis: Redis
  keys: Keys
}

/**
 * A mailbox that keeps what its listings find out about its filters. A filter that names nothing there is warned of once, and again only
 * when it had something meanwhile. What cannot be kept holds up no mail.
 */
export function watchingFilters(
  source: Mailbox,
  { app, mailbox, log }: { app: Kept; mailbox: MailboxId; log: Pick<Log, 'warn'> },
): Mailbox {
  return {
    ...source,
    async changes(since, page, call) {
      const changes = await source.changes(since, page, call)
      if (changes.filters) await keep(changes.filters).catch(() => undefined)
      return changes
    },
  }

  async function keep(reported: readonly Finding[]): Promise<void> {
    const news = await keepFindings(app.redis, app.keys, mailbox, reported)
    for (const finding of news) if (finding.state !== 'found') log.warn({ mailbox }, lineOf(mailbox, finding))
  }
}

/** What the settings name that a mailbox does not have, as lines for people. */
export async function idleFilters(
  { redis, keys, config }: Kept & { config: Config },
  mailbox: MailboxId,
): Promise<string[]> {
  const known = await readFindings(redis, keys, mailbox)
  const idle = known.filter(finding => finding.state !== 'found' && isSet(finding, mailbox, config))
  return idle.map(finding => lineOf(mailbox, finding))
}

// A setting may have changed since.
function isSet({ part, name }: Finding, mailbox: MailboxId, config: Config): boolean {
  if (part === 'skip') return config.SKIP_LABELS.includes(name)
  if (providerOf(mailbox) !== 'gmail') return false
  return part === 'label' ? config.GMAIL_LABELS.includes(name) : config.GMAIL_QUERY === name
}

function lineOf(mailbox: MailboxId, { part, name, state }: Finding): string {
  if (part === 'query') return `${mailbox}: GMAIL_QUERY found no mail in it: ${JSON.stringify(name)}`
  const setting = part === 'label' ? 'GMAIL_LABELS' : 'SKIP_LABELS'
  if (state === 'missing') return `${mailbox}: it has no label ${JSON.stringify(name)}, which ${setting} names`
  const folders = 'folders are SPAM, TRASH, DRAFT, SENT and INBOX alone'
  return `${mailbox}: no mail of it carries the category ${JSON.stringify(name)}, which ${setting} names; ${folders}`
}
