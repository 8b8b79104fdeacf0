import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { type GmailSimulator, startGmail } from '../../sim/gmail.ts'
import { memoryMailbox, type NewMail, type SimMailbox } from '../../sim/mailbox.ts'

/** Whose mailbox the tests read. */
export const ADDRESS = 'ana@example.com'

const FIRST_MS = Date.UTC(2026, 8, 1, 8)
const HOUR_MS = 3_600_000

/** A message in an answer; what is not there in every format is read as if it were. */
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

/** What answers hold; each test reads what its answer has. */
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

/** A status and the JSON that came with it. */
export interface Answer {
  status: number
  body: Body
}

/** A simulator that is closed when the test ends, and a client that holds a token for one of its mailboxes. */
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

/** Asks for an access token as OAuth clients do. */
export async function askToken(sim: GmailSimulator, refreshToken: string): Promise<Answer> {
  const form = { grant_type: 'refresh_token', refresh_token: refreshToken, client_id: 'any', client_secret: 'any' }
  return answerOf(await fetch(`${sim.url}/token`, { method: 'POST', body: new URLSearchParams(form) }))
}

/** An answer with its JSON read. */
export async function answerOf(response: Response): Promise<Answer> {
  return { status: response.status, body: (await response.json()) as Body }
}

/** Sends requests, each `GET /gmail/v1/…` with a body after a blank line if it has one, as one batch; the answers by position. */
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

/** A mailbox of `count` plain mails, an hour apart; every third answers the one before. */
export function mailboxOf(count: number): SimMailbox {
  return memoryMailbox(
    ADDRESS,
    Array.from({ length: count }, (_, index) => plainMail(index)),
  )
}

/** The mail at a position of such a mailbox. */
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

/** A file of the mail corpus that lies beside some checkouts, and why a test that needs it is skipped: `false` where it is there. */
export function corpus(name: string): { path: string; skip: string | false } {
  const path = resolve('..', 'shared', 'corpus', name)
  return { path, skip: existsSync(path) ? false : `no corpus here: ${name} is missing` }
}
