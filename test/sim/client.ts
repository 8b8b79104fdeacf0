import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { GmailSimulator } from '../../sim/gmail/simulator.ts'
import { startGmail } from '../../sim/gmail.ts'
import { memoryMailbox, type NewMail, type SimMailbox } from '../../sim/mailbox.ts'

/** The mailbox that the tests read. */
export const ADDRESS = 'ana@example.com'

const FIRST_MS = Date.UTC(2026, 8, 1, 8)
const HOUR_MS = 3_600_000

/** A message in an answer. Fields that only some formats have are typed as present. */
interface ListedMessage {
  historyId: string
  labelIds: string[]
  id: string
  threadId: string
  snippet: string
  internalDate: string
  payload: object
  raw: string
}

/** The fields of answers; each test reads those of its answer. */
interface Body extends ListedMessage {
  access_token: string
  messages: ListedMessage[]
  threads: ListedMessage[]
  labels: object[]
  history: {
    id: string
    messages: ListedMessage[]
    messagesAdded: { message: ListedMessage }[]
    messagesDeleted: { message: ListedMessage }[]
    labelsAdded: { message: ListedMessage; labelIds: string[] }[]
    labelsRemoved: { message: ListedMessage; labelIds: string[] }[]
  }[]
  messagesTotal: number
  threadsTotal: number
  nextPageToken: string
  resultSizeEstimate: number
}

/** A status and its JSON body. */
export interface Answer {
  status: number
  body: Body
}

/** Starts a simulator that closes when the test ends, and a client with a token for one of its mailboxes. */
export async function connected(
  t: { teardown: (end: () => Promise<void>) => void },
  mailbox: SimMailbox,
  { others = [], ...options }: { others?: readonly SimMailbox[] } & Partial<Parameters<typeof startGmail>[0]> = {},
) {
  const sim = await startGmail({ profile: 'instant', mailboxes: [mailbox, ...others], ...options })
  t.teardown(() => sim.close())
  const { body } = await askToken(sim, `simulated:${mailbox.address}`)
  const headers = { authorization: `Bearer ${body.access_token}` }
  const get = async (path: string): Promise<Answer> => {
    return answerOf(await fetch(`${sim.url}/gmail/v1/users/me/${path}`, { headers }))
  }
  return { sim, headers, get }
}

/** Requests an access token like an OAuth client. */
export async function askToken(sim: GmailSimulator, refreshToken: string): Promise<Answer> {
  const form = { grant_type: 'refresh_token', refresh_token: refreshToken, client_id: 'any', client_secret: 'any' }
  return answerOf(await fetch(`${sim.url}/token`, { method: 'POST', body: new URLSearchParams(form) }))
}

/** Returns an answer with its JSON parsed. */
export async function answerOf(response: Response): Promise<Answer> {
  return { status: response.status, body: (await response.json()) as Body }
}

/**
 * Sends requests as one batch and returns the answers by position. Each is `GET /gmail/v1/…`, with a body
 * after a blank line if it has one.
 */
export async function postParts(
  url: string,
  headers: Record<string, string>,
  requests: readonly string[],
): Promise<Answer[]> {
  const parts = requests.map((request, index) => {
    return `--b\r\nContent-Type: application/http\r\nContent-ID: <p${index}>\r\n\r\n${request}\r\n\r\n`
  })
  const response = await fetch(`${url}/batch/gmail/v1`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'multipart/mixed; boundary=b' },
    body: `${parts.join('')}--b--`,
  })
  const boundary = /boundary=(\S+)/.exec(response.headers.get('content-type') ?? '')?.[1]
  const answers = (await response.text()).split(`--${boundary}`).slice(1, -1)
  return answers.map(text => {
    const json = text.split('\r\n\r\n')[2]?.trim() ?? ''
    return { status: Number(/HTTP\/1\.1 (\d+)/.exec(text)?.[1]), body: (json === '' ? {} : JSON.parse(json)) as Body }
  })
}

/** Creates a mailbox of `count` plain mails, an hour apart; every third answers the one before. */
export function mailboxOf(count: number): SimMailbox {
  return memoryMailbox(
    ADDRESS,
    Array.from({ length: count }, (_, index) => plainMail(index)),
  )
}

/** Returns the mail at a position of such a mailbox. */
export function plainMail(index: number): NewMail {
  const headers = [
    'From: Bo <bo@example.org>',
    `To: ${ADDRESS}`,
    `Subject: Mail ${index}`,
    `Message-ID: <${index}@example.org>`,
    ...(index % 3 === 2 ? [`In-Reply-To: <${index - 1}@example.org>`] : []),
  ]
  return { raw: `${headers.join('\r\n')}\r\n\r\nText of mail ${index}.\r\n`, receivedAtMs: FIRST_MS + index * HOUR_MS }
}

/**
 * Returns a file of the mail corpus beside some checkouts. `skip` is the reason to skip a test that needs it,
 * or `false` if the file exists.
 */
export function corpus(name: string): { path: string; skip: string | false } {
  const path = resolve('..', 'shared', 'corpus', name)
  return { path, skip: existsSync(path) ? false : `no corpus here: ${name} is missing` }
}
