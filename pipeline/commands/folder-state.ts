import { type MailboxId, providerOf } from '../../shared/mailbox.ts'
import type { FolderFault } from '../../shared/provider/links.ts'
import { traitsOf } from '../../shared/provider/traits.ts'
import { readFolderFaults } from '../../shared/redis/links.ts'
import type { AppContext } from '../base/app.ts'
import { utcTime } from '../base/times.ts'

/** A folder whose listing fails at the moment. */
export interface FaultyFolder extends FolderFault {
  folder: string
}

/** Returns the folders of a mailbox whose listing fails at the moment; none at a provider without folders. */
export async function faultyFolders(
  { redis, keys }: Pick<AppContext, 'redis' | 'keys'>,
  mailbox: MailboxId,
): Promise<FaultyFolder[]> {
  if (!traitsOf(providerOf(mailbox)).listsByFolder) return []
  return [...(await readFolderFaults(redis, keys, mailbox))].map(([folder, fault]) => ({ folder, ...fault }))
}

/** Describes such a folder in one line for people. */
export function faultLine(mailbox: MailboxId, { folder, name, since, tryAt, reason }: FaultyFolder): string {
  const what = name === '' ? `the folder ${folder}` : `the folder "${name}"`
  const [from, again] = [since, tryAt].map(ms => `${utcTime(ms, 'minute')} UTC`)
  return `${mailbox}: ${what} cannot be listed since ${from}; next retry at ${again} (${reason})`
}
