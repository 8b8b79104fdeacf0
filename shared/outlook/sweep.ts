import { z } from 'zod'
import { MailError } from '../error.ts'
import type { Call, Listed } from '../mailbox.ts'
import { dateOf } from './delta.ts'
import { errorOf } from './errors.ts'
import { type FolderOptions, type Folders, leftOutAt } from './folders.ts'
import { IMMUTABLE_IDS } from './prefer.ts'
import { readBody } from './read.ts'

const MESSAGES_A_PAGE = 500

const page = z.object({
  value: z
    .array(
      z.object({ id: z.string().min(1), conversationId: z.string().nullish(), parentFolderId: z.string().nullish() }),
    )
    .default([]),
  '@odata.nextLink': z.string().min(1).optional(),
})

/**
 * One page of what is there, of mail received since `scope` (ms since 1970), in the folders that are read: ids alone, of all folders at once.
 * `link` is where it goes on.
 */
export async function sweepPage(
  { client, name, user, skip, now }: FolderOptions,
  { link, scope, folders }: { link: string | undefined; scope: number | undefined; folders: Folders },
  call: Call,
): Promise<{ present: Listed[]; next: string | undefined }> {
  const doing = `looking through ${name} for what is there`
  const filter = scope === undefined ? '' : `&$filter=${encodeURIComponent(`receivedDateTime ge ${dateOf(scope)}`)}`
  const first = `${user}/messages?$select=id,conversationId,parentFolderId&$top=${MESSAGES_A_PAGE}${filter}`
  const request = { url: link ?? first, headers: { prefer: IMMUTABLE_IDS } }
  const answer = await client.ask({ doing, call, kind: 'list', units: 1 }, request)
  if (answer.status !== 200) throw errorOf(answer, doing, { now })
  const { value, '@odata.nextLink': next } = readBody(page, answer, doing)
  if (next !== undefined && next === link)
    throw new MailError('unavailable', `${doing}: a page names itself as the next one`)
  const there = value.filter(({ parentFolderId }) => leftOutAt(folders, parentFolderId ?? '', skip) === undefined)
  return { present: there.map(({ id, conversationId }) => ({ id, thread: conversationId ?? id })), next }
}
