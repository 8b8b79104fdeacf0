import { setMaxListeners } from 'node:events'
import type { AddressInfo } from 'node:net'
import { fastify } from 'fastify'
import { type Account, openAccount } from './gmail/account.ts'
import { addApi, type World } from './gmail/api.ts'
import { addBatch, partsIn } from './gmail/batch.ts'
import { type CallCounts, countCalls, kindOfCall } from './gmail/calls.ts'
import { addControl, deliverTo, type MailboxSize, sizes } from './gmail/control.ts'
import { addFaults, createFaults, type Faults } from './gmail/faults.ts'
import { grantToken } from './gmail/token.ts'
import type { SimMailbox } from './mailbox.ts'
import { latencyMs, type Profile, pause } from './profile.ts'

/** A running Gmail simulator. */
export interface GmailSimulator {
  /** Such as `http://127.0.0.1:8025`; OAuth tokens come from `/token`, the API is under `/gmail/v1`. */
  url: string
  mailboxes(): MailboxSize[]
  /** Delivers a mail, received now and to the inbox, unread, where nothing else is said; throws where there is no such mailbox. */
  deliver(
    address: string,
    raw: Buffer | string,
    options?: Delivery,
  ): { id: string; threadId: string; historyId: string }
  /** Makes every history id given out so far too old: listing from one answers 404. */
  expireHistory(address: string): void
  calls(): CallCounts
  resetCalls(): void
  /** What goes wrong: nothing, until it is set here or with `PUT /control/faults`. */
  faults: Faults
  /** Stops listening and cuts what is under way; nothing of the simulator keeps the process alive after. */
  close(): Promise<void>
}

/** How a mail is delivered: Gmail's system label ids or names of other labels, and when it was received, in ms since 1970. */
interface Delivery {
  labels?: readonly string[]
  receivedAt?: number
}

interface Options {
  /** A free one where it is absent. */
  port?: number
  /** The address to listen on; 127.0.0.1 where it is absent. */
  host?: string
  profile: Profile
  mailboxes: readonly SimMailbox[]
  now?: () => number
}

const BODY_LIMIT_BYTES = 64 << 20
const SERVER = { bodyLimit: BODY_LIMIT_BYTES, exposeHeadRoutes: false, routerOptions: { maxParamLength: 400 } }

/** Starts a Gmail, on 127.0.0.1 where nothing else is said, that holds these mailboxes; throws where two have the same address or the port is taken. */
export async function startGmail(options: Options): Promise<GmailSimulator> {
  const { port = 0, host = '127.0.0.1', profile, mailboxes, now = Date.now } = options
  const world: World = { accounts: openAccounts(mailboxes), now }
  const calls = countCalls()
  const faults = createFaults(now)
  const closing = new AbortController()
  // Every request that is being delayed listens to it.
  setMaxListeners(0, closing.signal)

  // The parts of a batch are answered by a server of their own, which is not counted, not delayed, and never listens.
  const parts = fastify(SERVER)
  addApi(parts, world)

  const app = fastify({ ...SERVER, forceCloseConnections: true })
  app.addHook('onRequest', async request => {
    const kind = kindOfCall(request.method, request.url)
    if (kind) calls.note(kind)
  })
  app.addHook('preHandler', async request => {
    const kind = kindOfCall(request.method, request.url)
    const batch = partsIn(request.body)
    calls.noteParts(batch.length)
    if (kind && kind !== 'token') await pause(latencyMs(profile, { kind, parts: batch.length }), closing.signal)
  })
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    async (_: unknown, body: string) => body,
  )
  app.post('/token', async (request, reply) => {
    const known = (address: string) => world.accounts.has(address)
    const { code, body } = grantToken(new URLSearchParams(String(request.body)), { known, nowMs: now() })
    return reply.code(code).send(body)
  })
  addFaults({ app, parts, faults })
  addApi(app, world)
  addBatch(app, parts)
  addControl(app, world, { readCalls: calls.read, faults })
  await app.listen({ host, port })

  return {
    url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`,
    mailboxes: () => sizes(world),
    deliver: (address, raw, { labels, receivedAt } = {}) =>
      deliverTo(accountOf(world, address), { raw, labels, receivedAtMs: receivedAt }, now()),
    expireHistory: address => accountOf(world, address).expireHistory(),
    calls: calls.read,
    resetCalls: calls.reset,
    faults,
    async close() {
      closing.abort()
      await app.close()
      await parts.close()
    },
  }
}

function openAccounts(mailboxes: readonly SimMailbox[]): Map<string, Account> {
  const accounts = new Map<string, Account>()
  for (const mailbox of mailboxes) {
    const address = mailbox.address.toLowerCase()
    if (accounts.has(address))
      throw new Error(`two mailboxes are called ${address}: rename one of the files they come from`)
    accounts.set(address, openAccount(mailbox))
  }
  return accounts
}

function accountOf(world: World, address: string): Account {
  const account = world.accounts.get(address.toLowerCase())
  if (account) return account
  throw new Error(
    `the simulator has no mailbox ${address}, only ${[...world.accounts.keys()].join(', ') || 'none at all'}`,
  )
}
