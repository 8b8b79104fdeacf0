import { type MailboxId, providerOf } from '../../shared/mailbox.ts'
import type { FolderFault } from '../../shared/provider/links.ts'
import { readFolderFaults } from '../../shared/redis/links.ts'
import type { AppContext } from '../base/app.ts'

/** A folder that cannot be listed for now. */
export interface FaultyFolder extends FolderFault {
  folder: string
}

/** The folders of a mailbox that cannot be listed for now; none at a provider without folders. */
export async function faultyFolders(
  { redis, keys }: Pick<AppContext, 'redis' | 'keys'>,
  mailbox: MailboxId,
): Promise<FaultyFolder[]> {
  if (providerOf(mailbox) !== 'outlook') return []
  return [...(await readFolderFaults(redis, keys, mailbox))].map(([folder, fault]) => ({ folder, ...fault }))
}

/** A line for people about such a folder. */
export function faultLine(mailbox: MailboxId, { folder, name, since, tryAt, reason }: FaultyFolder): string {
  const what = name === '' ? `the folder ${folder}` : `the folder "${name}"`
  const [from, again] = [since, tryAt].map(ms => `${new Date(ms).toISOString().replace('T', ' ').slice(0, 16)} UTC`)
  return `${mailbox}: ${what} cannot be listed since ${from}; it is tried again at ${again} (${reason})`
}
