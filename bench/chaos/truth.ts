const PAGE = 500

interface Listing {
  messages?: { id: string; threadId: string }[]
  nextPageToken?: string
}

/** The ids of every mail a simulated mailbox holds, by thread, as anybody could list them. */
export async function readTruth(simUrl: string, address: string): Promise<Map<string, string[]>> {
  const form = { grant_type: 'refresh_token', refresh_token: `simulated:${address}` }
  const granted = await fetch(`${simUrl}/token`, { method: 'POST', body: new URLSearchParams(form) })
  const { access_token: token } = (await granted.json()) as { access_token: string }
  const threads = new Map<string, string[]>()
  for (let page: string | undefined = ''; page !== undefined; ) {
    const url = `${simUrl}/gmail/v1/users/me/messages?maxResults=${PAGE}&includeSpamTrash=true&pageToken=${page}`
    const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
    if (!answer.ok) throw new Error(`the simulator answered ${answer.status} when asked what ${address} holds`)
    const { messages = [], nextPageToken } = (await answer.json()) as Listing
    for (const { id, threadId } of messages) threads.set(threadId, [...(threads.get(threadId) ?? []), id])
    page = nextPageToken
  }
  return threads
}
