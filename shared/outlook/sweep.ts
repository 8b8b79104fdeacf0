import { z } from 'zod'
import type { Call, Listed } from '../mailbox.ts'
import { dateOf } from './delta.ts'
import { errorOf } from './errors.ts'
import { type FolderOptions, type Folders, leftOutAt } from './folders.ts'
import type { Mark } from './marks.ts'
import { IMMUTABLE_IDS } from './prefer.ts'
import { readBody } from './read.ts'
import { nextRound, type Round } from './round.ts'

const MESSAGES_PER_PAGE = 500

const page = z.object({
  value: z
    .array(
      z.object({ id: z.string().min(1), conversationId: z.string().nullish(), parentFolderId: z.string().nullish() }),
    )
    .default([]),
  '@odata.nextLink': z.string().min(1).optional(),
})

/** The position of a sweep: its next link and its progress. */
interface SweepPosition {
  link: string
  round: Round
}

/**
 * Lists one page of existing messages received since `scope` (ms since 1970), in the folders that are read.
 * It returns only ids, of all folders at once. `next` is where the sweep continues. Throws `unavailable` if
 * there is no progress.
 */
export async function sweepPage(
  { client, name, user, skip, now }: FolderOptions,
  {
    from,
    scope,
    folders,
  }: { from: Pick<Mark, 'link' | 'round'> | undefined; scope: number | undefined; folders: Folders },
  call: Call,
): Promise<{ present: Listed[]; next: SweepPosition | undefined }> {
  const doing = `listing the existing messages of ${name}`
  const filter = scope === undefined ? '' : `&$filter=${encodeURIComponent(`receivedDateTime ge ${dateOf(scope)}`)}`
  const first = `${user}/messages?$select=id,conversationId,parentFolderId&$top=${MESSAGES_PER_PAGE}${filter}`
  const request = { url: from?.link ?? first, headers: { prefer: IMMUTABLE_IDS } }
  const answer = await client.ask({ doing, call, kind: 'list', units: 1 }, request)
  if (answer.status !== 200) throw errorOf(answer, doing, { now })
  const { value, '@odata.nextLink': link } = readBody(page, answer, doing)
  const next = link && { link, round: nextRound(from?.round, { link, items: value.length }, doing) }
  const there = value.filter(({ parentFolderId }) => leftOutAt(folders, parentFolderId ?? '', skip) === undefined)
  return {
    present: there.map(({ id, conversationId }) => ({ id, thread: conversationId ?? id })),
    next: next || undefined,
  }
}
