import type { GraphOptions, GraphSimulator } from '../../sim/graph/simulator.ts'
import { startGraph } from '../../sim/graph.ts'
import type { SimMailbox } from '../../sim/mailbox.ts'

/** A message or a folder in an answer; each test reads the fields of its answer. */
export interface Item {
  [property: string]: unknown
  id: string
  isRead: boolean | string
  '@removed': { reason: string }
}

/** The fields of answers. */
export interface GraphBody extends Item {
  value: Item[]
  '@odata.nextLink': string | undefined
  '@odata.deltaLink': string | undefined
  '@odata.count': number
  error: { code: string; message: string; innerError: Record<string, string> }
  responses: { id: string; status: number; headers: Record<string, string>; body: GraphBody }[]
  access_token: string
  refresh_token: string
}

/** A status, its headers and its JSON body. */
export interface GraphAnswered {
  status: number
  headers: Headers
  body: GraphBody
}

/** A request's options: `prefer` is the Prefer header, with a JSON body or a form. */
export interface Sent {
  method?: string
  prefer?: string
  json?: unknown
  headers?: Record<string, string>
}

/** The preference for ids that survive moves. */
export const IMMUTABLE = 'IdType="ImmutableId"'

/** Starts a simulator that closes when the test ends, and a client with a token for its first mailbox. */
export async function graphConnected(
  t: { teardown: (end: () => Promise<void>) => void },
  mailboxes: SimMailbox | readonly SimMailbox[],
  options: Partial<GraphOptions> = {},
) {
  const all = [mailboxes].flat()
  const sim = await startGraph({ profile: 'instant', mailboxes: all, ...options })
  t.teardown(() => sim.close())
  const ask = await clientOf(sim, `simulated:${all[0]?.address}`)
  return { sim, ask, all: (path: string, prefer?: string) => pagesOf(ask, path, prefer) }
}

/** Returns a client with an access token for a refresh token. It requests a path below `/v1.0`, or a link. */
export async function clientOf(sim: GraphSimulator, refreshToken: string) {
  const { body } = await askGraphToken(sim, { grant_type: 'refresh_token', refresh_token: refreshToken })
  return askingWith(sim, body.access_token)
}

/** Returns a client with an access token. */
export function askingWith(sim: GraphSimulator, token: string) {
  return async (path: string, { method = 'GET', prefer, json, headers = {} }: Sent = {}): Promise<GraphAnswered> => {
    const response = await fetch(path.startsWith('http') ? path : `${sim.url}/v1.0/${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(prefer === undefined ? {} : { prefer }),
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    })
    return answered(response)
  }
}

type Ask = ReturnType<typeof askingWith>

/**
 * Follows nextLinks to the end and returns the items of all pages, each page's size, and the last page's
 * deltaLink.
 */
export async function pagesOf(ask: Ask, path: string, prefer?: string) {
  const items: Item[] = []
  const sizes: number[] = []
  let link: string | undefined = path
  let deltaLink = ''
  while (link !== undefined) {
    const { status, body }: GraphAnswered = await ask(link, prefer === undefined ? {} : { prefer })
    if (status !== 200) throw new Error(`${link} was answered with ${status}: ${JSON.stringify(body)}`)
    items.push(...body.value)
    sizes.push(body.value.length)
    deltaLink = body['@odata.deltaLink'] ?? ''
    link = body['@odata.nextLink']
  }
  return { items, sizes, deltaLink }
}

/** Requests tokens with a form, like clients of the Microsoft identity platform. */
export async function askGraphToken(sim: GraphSimulator, form: Record<string, string>, tenant = 'common') {
  return answered(
    await fetch(`${sim.url}/${tenant}/oauth2/v2.0/token`, {
      method: 'POST',
      body: new URLSearchParams({ client_id: 'any', ...form }),
    }),
  )
}

async function answered(response: Response): Promise<GraphAnswered> {
  const text = await response.text()
  const json = text === '' ? {} : text.startsWith('{') ? JSON.parse(text) : { text }
  return { status: response.status, headers: response.headers, body: json as GraphBody }
}
