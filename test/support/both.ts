import { readMessage as readGmail } from '../../shared/gmail/message.ts'
import type { Message } from '../../shared/message.ts'
import { MESSAGE_FIELDS, readMessage as readGraph } from '../../shared/outlook/message.ts'
import type { SimMailbox } from '../../sim/mailbox.ts'
import { connected, postParts } from '../sim/client.ts'
import { graphConnected } from '../sim/graph-client.ts'

/** The parts of a message that its sender wrote, and that no provider may change. */
export type Written = Pick<Message, 'subject' | 'from' | 'to' | 'cc' | 'snippet' | 'unreadable'>

const BATCH = 100
const HEADERS = ['From', 'To', 'Cc', 'Subject'].map(name => `metadataHeaders=${name}`).join('&')

/** Reads each mail of a mailbox through a simulator of Gmail and one of Graph, in the order of delivery. */
export async function readBoth(
  t: { teardown: (end: () => Promise<void>) => void },
  mailbox: SimMailbox,
): Promise<{ gmail: Written[]; outlook: Written[] }> {
  // Distinct times identify the mails, because neither provider reveals their positions.
  const base = Date.UTC(2026, 0, 1)
  const timed: SimMailbox = {
    ...mailbox,
    message: index => ({ ...mailbox.message(index), receivedAtMs: base + index * 1000, labels: ['INBOX'] }),
  }
  const position = ({ date }: Message) => (date - base) / 1000
  const inOrder = (messages: readonly Message[]) => {
    const written: Written[] = []
    for (const message of messages) {
      const { subject, from, to, cc, snippet, unreadable } = message
      written[position(message)] = { subject, from, to, cc, snippet, ...(unreadable ? { unreadable } : {}) }
    }
    return written
  }
  return { gmail: inOrder(await throughGmail(t, timed)), outlook: inOrder(await throughGraph(t, timed)) }
}

async function throughGmail(t: Parameters<typeof connected>[0], mailbox: SimMailbox): Promise<Message[]> {
  const { sim, headers, get } = await connected(t, mailbox)
  const ids: string[] = []
  let token = ''
  do {
    const { body } = await get(`messages?maxResults=500&pageToken=${token}`)
    ids.push(...(body.messages ?? []).map(({ id }) => id))
    token = body.nextPageToken ?? ''
  } while (token !== '')
  const found: Message[] = []
  for (let at = 0; at < ids.length; at += BATCH) {
    const path = (id: string) => `GET /gmail/v1/users/me/messages/${id}?format=metadata&${HEADERS}`
    const answers = await postParts(sim.url, headers, ids.slice(at, at + BATCH).map(path))
    found.push(...answers.flatMap(({ body }) => readGmail(body) ?? []))
  }
  return found
}

async function throughGraph(t: Parameters<typeof graphConnected>[0], mailbox: SimMailbox): Promise<Message[]> {
  const { all } = await graphConnected(t, mailbox)
  const { items } = await all(`me/messages?$top=1000&$select=${MESSAGE_FIELDS}`)
  return items.flatMap(item => readGraph(item)?.message ?? [])
}
