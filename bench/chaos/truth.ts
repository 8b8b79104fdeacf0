import { addressOf, type MailboxId, providerOf } from '../../shared/mailbox.ts'
import { askGraph } from './ask-graph.ts'

const PAGE = 500

/** The contents of a simulated mailbox. */
export interface Truth {
  /** The ids of all mails that the pipeline has to read, by thread. */
  threads: ReadonlyMap<string, readonly string[]>
  /** The ids of the folders that the pipeline reads; none at Gmail, which has no folders. */
  folders: readonly string[]
}

interface GmailListing {
  messages?: { id: string; threadId: string }[]
  nextPageToken?: string
}

// Folders that the pipeline skips, with their subfolders.
const LEFT_OUT = ['deleteditems', 'junkemail', 'drafts', 'outbox', 'conversationhistory', 'syncissues']

/** Reads the contents of a mailbox from a simulator, through the public API. */
export function readTruth(simUrl: string, mailbox: MailboxId): Promise<Truth> {
  const read = providerOf(mailbox) === 'gmail' ? readGmail : readGraph
  return read(simUrl, addressOf(mailbox))
}

async function readGmail(simUrl: string, address: string): Promise<Truth> {
  const form = { grant_type: 'refresh_token', refresh_token: `simulated:${address}` }
  const granted = await fetch(`${simUrl}/token`, { method: 'POST', body: new URLSearchParams(form) })
  const { access_token: token } = (await granted.json()) as { access_token: string }
  const threads = new Map<string, string[]>()
  for (let page: string | undefined = ''; page !== undefined; ) {
    const url = `${simUrl}/gmail/v1/users/me/messages?maxResults=${PAGE}&includeSpamTrash=true&pageToken=${page}`
    const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
    if (!answer.ok) throw new Error(`the simulator answered ${answer.status} when asked for the messages of ${address}`)
    const { messages = [], nextPageToken } = (await answer.json()) as GmailListing
    for (const { id, threadId } of messages) threads.set(threadId, [...(threads.get(threadId) ?? []), id])
    page = nextPageToken
  }
  return { threads, folders: [] }
}

async function readGraph(simUrl: string, address: string): Promise<Truth> {
  const ask = await askGraph(simUrl, address)
  const folders = await ask.all<{ id: string; parentFolderId: string }>('/me/mailFolders/delta?$select=parentFolderId')
  const leftOut = new Set(
    await Promise.all(LEFT_OUT.map(async name => (await ask.one<{ id: string }>(`/me/mailFolders/${name}`)).id)),
  )
  for (let before = -1; before < leftOut.size; ) {
    before = leftOut.size
    for (const { id, parentFolderId } of folders) if (leftOut.has(parentFolderId)) leftOut.add(id)
  }
  const messages = await ask.all<{ id: string; conversationId: string; parentFolderId: string }>(
    `/me/messages?$select=id,conversationId,parentFolderId&$top=${PAGE}`,
  )
  const threads = new Map<string, string[]>()
  for (const { id, conversationId, parentFolderId } of messages) {
    if (!leftOut.has(parentFolderId)) threads.set(conversationId, [...(threads.get(conversationId) ?? []), id])
  }
  return { threads, folders: folders.map(({ id }) => id).filter(id => !leftOut.has(id)) }
}
