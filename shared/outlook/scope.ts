import { z } from 'zod'
import type { InitialSync } from '../config.ts'
import { dateIn, isReceived } from '../mail/read-message.ts'
import type { Call } from '../mailbox.ts'
import { errorOf } from './errors.ts'
import { type FolderOptions, type Folders, leftOutAt } from './folders.ts'
import { IMMUTABLE_IDS } from './prefer.ts'
import { readBody } from './read.ts'

const DAY_MS = 24 * 3_600_000
// Mail is not always received in the order of its dates.
const OVERLAP_MS = DAY_MS
const MAX_PER_PAGE = 1000
const ENOUGH_PAGES = 50
// Usually makes one page enough.
const LEFT_OUT_AMONG_THEM = 100

const page = z.object({
  value: z
    .array(z.object({ receivedDateTime: z.string().nullish().catch(null), parentFolderId: z.string().nullish() }))
    .default([]),
  '@odata.nextLink': z.string().min(1).optional(),
})

/**
 * Returns the moment (ms since 1970) since which received mail is listed in a first sync; `undefined` for all
 * mail. With `after`, nothing received after that moment is left out. Costs a call if it has to count back
 * the newest messages.
 */
export async function scopeOf(
  options: FolderOptions,
  { initialSync, folders, after }: { initialSync: InitialSync; folders: Folders; after: number | undefined },
  call: Call,
): Promise<number | undefined> {
  if (initialSync.kind === 'all') return undefined
  const wanted =
    initialSync.kind === 'days'
      ? options.now() - initialSync.days * DAY_MS
      : await sinceNewest(options, folders, initialSync.count, call)
  return wanted === undefined || after === undefined ? wanted : Math.max(0, Math.min(wanted, after - OVERLAP_MS))
}

/**
 * Returns when the oldest of the newest `count` messages was received; `undefined` if there are no more than
 * that.
 */
async function sinceNewest(
  { client, name, user, skip, now }: FolderOptions,
  folders: Folders,
  count: number,
  call: Call,
): Promise<number | undefined> {
  const doing = `counting back the newest messages of ${name}`
  const top = Math.min(count + LEFT_OUT_AMONG_THEM, MAX_PER_PAGE)
  const first = `${user}/messages?$select=receivedDateTime,parentFolderId&$orderby=receivedDateTime%20desc&$top=${top}`
  let left = count
  let since: number | undefined
  let url: string | undefined = first
  for (let pages = 0; url !== undefined && pages < ENOUGH_PAGES; pages++) {
    const answer = await client.ask(
      { doing, call, kind: 'list', units: 1 },
      { url, headers: { prefer: IMMUTABLE_IDS } },
    )
    if (answer.status !== 200) throw errorOf(answer, doing, { now })
    const { value, '@odata.nextLink': next } = readBody(page, answer, doing)
    for (const { receivedDateTime, parentFolderId } of value) {
      if (leftOutAt(folders, parentFolderId ?? '', skip) !== undefined) continue
      const at = dateIn(receivedDateTime)
      if (isReceived(at)) since = at
      left -= 1
      if (left === 0) return since
    }
    url = next
  }
  // The search limit is reached: the oldest date so far is good enough.
  return url === undefined ? undefined : since
}
