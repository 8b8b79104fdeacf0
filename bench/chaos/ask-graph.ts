/** A client of the simulated Graph for the owner of a mailbox; throws on any status other than 2xx. */
export interface AskGraph {
  /** Requests one answer, by a path below the root or by a link. */
  one<Answer>(url: string): Promise<Answer>
  /** Requests the items of a list, across all pages. */
  all<Item>(url: string): Promise<Item[]>
}

interface Page<Item> {
  value: Item[]
  '@odata.nextLink'?: string
}

/** Creates a client with an access token of this mailbox. */
export async function askGraph(simUrl: string, address: string): Promise<AskGraph> {
  const form = { grant_type: 'refresh_token', client_id: 'chaos', refresh_token: `simulated:${address}` }
  const body = new URLSearchParams(form)
  const granted = await fetch(`${simUrl}/common/oauth2/v2.0/token`, { method: 'POST', body })
  const { access_token: token } = (await granted.json()) as { access_token: string }
  const headers = { authorization: `Bearer ${token}`, prefer: 'IdType="ImmutableId", odata.maxpagesize=200' }

  async function one<Answer>(url: string): Promise<Answer> {
    const answer = await fetch(url.startsWith('/') ? `${simUrl}/v1.0${url}` : url, { headers })
    if (!answer.ok) throw new Error(`the simulated Graph answered ${answer.status} when asked for ${url} of ${address}`)
    return (await answer.json()) as Answer
  }

  return {
    one,
    async all<Item>(url: string) {
      const items: Item[] = []
      for (let next: string | undefined = url; next !== undefined; ) {
        const page: Page<Item> = await one(next)
        items.push(...page.value)
        next = page['@odata.nextLink']
      }
      return items
    },
  }
}
