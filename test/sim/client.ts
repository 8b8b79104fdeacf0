import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { type GmailSimulator, startGmail } from '../../sim/gmail.ts'
import { memoryMailbox, type NewMail, type SimMailbox } from '../../sim/mailbox.ts'
import type { Profile } from '../../sim/profile.ts'

/** Whose mailbox the tests read. */
export const ADDRESS = 'ana@example.com'

const FIRST_MS = Date.UTC(2026, 8, 1, 8)
const HOUR_MS = 3_600_000

/** A message in an answer; what is not there in every format is read as if it were. */
interface ListedMessage {
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
  history: { id: string; messages: ListedMessage[]; messagesAdded: { message: ListedMessage }[] }[]
  historyId: string
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
  options: { profile?: Profile; now?: () => number } = {},
) {
  const sim = await startGmail({ profile: 'instant', mailboxes: [mailbox], ...options })
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
