import type { AppContext } from '../../pipeline/base/app.ts'
import { addressOf, type MailboxId, providerOf } from '../../shared/mailbox.ts'
import { readCursor } from '../../shared/outlook/cursor.ts'
import { readMarks } from '../../shared/outlook/marks.ts'
import { createLinks } from '../../shared/redis/links.ts'
import { readMailbox } from '../../shared/redis/mailboxes.ts'
import { askGraph } from './ask-graph.ts'

/**
 * Returns the problems of an Outlook cursor: it has to name one stored link per folder, and Graph has to accept each link and return
 * no new changes. Returns none for Gmail, where a cursor is a number.
 */
export async function wrongPlaces(
  { redis, keys }: AppContext,
  simUrl: string,
  mailbox: MailboxId,
  folders: readonly string[],
): Promise<string[]> {
  if (providerOf(mailbox) === 'gmail') return []
  const { cursor = '' } = (await readMailbox(redis, keys, mailbox)) ?? {}
  const place = readCursor(cursor)
  if (place.at !== 'folders') return [`${mailbox} was never listed completely: its cursor is ${cursor}`]
  const marks = await readMarks(createLinks(redis, keys, mailbox), place.marks)
  const named = marks.map(({ mark }) => mark.folder)
  const ask = await askGraph(simUrl, addressOf(mailbox))
  const checks = marks.map(async ({ mark: { folder, link } }) => {
    if (link === undefined) return [`${mailbox} has no link for the folder ${folder}`]
    return ask.all(link).then(
      items => (items.length > 0 ? [`${mailbox} missed ${items.length} changes in the folder ${folder}`] : []),
      (error: Error) => [error.message],
    )
  })
  return [
    ...(marks.length < place.marks.length ? [`${mailbox}: ${place.marks.length - marks.length} links are lost`] : []),
    ...folders.filter(id => !named.includes(id)).map(id => `the cursor of ${mailbox} does not name the folder ${id}`),
    ...named.filter(id => !folders.includes(id)).map(id => `the cursor of ${mailbox} names ${id}, which is not read`),
    ...(await Promise.all(checks)).flat(),
  ]
}
