import { setMaxListeners } from 'node:events'
import type { AddressInfo } from 'node:net'
import { fastify } from 'fastify'
import { type Beside, handlerBeside } from './beside.ts'
import { type GateOptions, guardControl, guardedServer } from './gate.ts'
import { type Account, openAccount } from './gmail/account.ts'
import { addApi, type World } from './gmail/api.ts'
import { addBatch, partsIn } from './gmail/batch.ts'
import { type CallCounts, countCalls, kindOfCall } from './gmail/calls.ts'
import { addControl } from './gmail/control.ts'
import { addMailboxControl, deliverTo, type MailboxSize, sizes } from './gmail/control-mailboxes.ts'
import { createFaults, type FaultSettings, type Faults } from './gmail/faults.ts'
import { type Delivery, type MailboxHandle, openHandle } from './gmail/handle.ts'
import { addOAuth, type Consent } from './gmail/oauth.ts'
import { createPushes, type Pushes, type PushTarget, pushClaims } from './gmail/pubsub.ts'
import { NO_QUIRKS, type Quirks } from './gmail/quirks.ts'
import { createQuota, type Quota, type QuotaSettings } from './gmail/quota.ts'
import { addQuota } from './gmail/quota-gate.ts'
import { addFaults } from './gmail/strike.ts'
import { createTokens, type Tokens } from './gmail/token.ts'
import { createWatches, type Watches } from './gmail/watch.ts'
import type { SimMailbox } from './mailbox.ts'
import { openAccounts } from './open-accounts.ts'
import { latencyMs, type Profile, pause } from './profile.ts'
import { createSigner } from './signing.ts'

/** A running Gmail simulator. */
export interface GmailSimulator {
  /** Such as `http://127.0.0.1:8025`; OAuth tokens come from `/token`, the API is under `/gmail/v1`. */
  url: string
  mailboxes(): MailboxSize[]
  /** What can be done to a mailbox from outside; throws where there is no such mailbox. */
  mailbox(address: string): MailboxHandle
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
  /** What is odd about it, and allowed to be: nothing, until it is set here or with `PUT /control/quirks`. */
  quirks: Quirks
  /** What was spent, and what is refused: nothing, until it is set here, in the options or with `PUT /control/quota`. */
  quota: Quota
  /** Where notifications of watches go, and how they get lost; set here, in the options or with `PUT /control/pushes`. */
  pushes: Pushes
  watches: Watches
  /** Lets tokens expire and takes grants back. */
  tokens: Tokens
  /** Whether the authorization page waits for somebody. */
  consent: Consent
  /** A token signed by the simulator's key as those of pushes are, with these claims instead of theirs; `undefined` leaves one out. */
  idToken(claims?: Readonly<Record<string, unknown>>): Promise<string>
  /** Stops listening and cuts what is under way; nothing of the simulator keeps the process alive after. */
  close(): Promise<void>
}

/** What a simulator is started with. */
export interface GmailOptions extends GateOptions {
  /** A free one where it is absent. */
  port?: number
  profile: Profile
  /** The latency of every call in ms; that of the profile where it is absent. */
  latencyMs?: number
  mailboxes: readonly SimMailbox[]
  now?: () => number
  /** How many times faster the quota's minutes pass and calls are answered; dates and tokens keep to `now`. 1 where it is absent. */
  speed?: number
  /** Without it nothing is refused, and units are counted by the costs of 2026. */
  quota?: QuotaSettings
  /** Where notifications of watches are pushed; they go nowhere where it is absent. */
  pushTo?: PushTarget
  /** What goes wrong from the start; nothing where it is absent. */
  faults?: FaultSettings
  /** What answers some of the requests to its port in its place. */
  beside?: Beside
}

const BODY_LIMIT_BYTES = 64 << 20
const SERVER = { bodyLimit: BODY_LIMIT_BYTES, exposeHeadRoutes: false, routerOptions: { maxParamLength: 400 } }

/** Starts a Gmail, on 127.0.0.1 where nothing else is said, that holds these mailboxes; throws where two have the same address or the port is taken. */
export async function startGmail(options: GmailOptions): Promise<GmailSimulator> {
  const { port = 0, host = '127.0.0.1', profile, mailboxes, now = Date.now, speed = 1, beside } = options
  const accounts = openAccounts(mailboxes, mailbox => openAccount(mailbox, now))
  const tokens = createTokens({ known: address => accounts.has(address), now })
  const calls = countCalls()
  const faults = createFaults(now)
  faults.set(options.faults ?? {})
  const closing = new AbortController()
  // Every request that is being delayed listens to it.
  setMaxListeners(0, closing.signal)
  const startedMs = now()
  const elapsedMs = () => (now() - startedMs) * speed
  const quota = createQuota({ now, elapsedMs, speed })
  quota.set(options.quota)
  const signer = createSigner(now)
  const pushes = createPushes({ signer, now, speed, closing: closing.signal })
  pushes.set({ to: options.pushTo })
  const watches = createWatches(accounts, { pushes, now, elapsedMs })
  const consent: Consent = { auto: false }
  const world: World = { accounts, tokens, watches, now, quirks: { ...NO_QUIRKS } }

  // The parts of a batch are answered by a server of their own, which is not counted, not delayed, and never listens.
  const parts = fastify(SERVER)
  addApi(parts, world)

  const app = fastify({
    ...SERVER,
    forceCloseConnections: true,
    serverFactory: handler => guardedServer(handlerBeside(handler, beside), options),
  })
  guardControl(app, options)
  app.addHook('onRequest', async request => {
    const kind = kindOfCall(request.method, request.url)
    if (kind) calls.note(kind)
  })
  const { refusals } = addQuota(app, { world, quota })
  app.addHook('preHandler', async request => {
    const kind = kindOfCall(request.method, request.url)
    const { length } = partsIn(request)
    calls.noteParts(length)
    if (!kind || kind === 'token') return
    await pause(latencyMs(profile, { kind, parts: length }, options.latencyMs) / speed, closing.signal)
  })
  addOAuth(app, { tokens, addresses: () => [...accounts.keys()], signer, consent, now })
  addFaults(app, { parts, faults, addressOf: tokens.addressIn, closing: closing.signal })
  addApi(app, world)
  addBatch(app, { parts, refusals })
  addMailboxControl(app, world)
  addControl(app, { world, readCalls: calls.read, faults, quota, pushes, consent })
  await app.listen({ host, port })

  return {
    url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`,
    mailboxes: () => sizes(world),
    mailbox: address => openHandle(accountOf(world, address)),
    deliver: (address, raw, { labels, receivedAt, threadId } = {}) =>
      deliverTo(accountOf(world, address), { raw, labels, receivedAtMs: receivedAt, threadId }, now()),
    expireHistory: address => accountOf(world, address).history.expire(),
    calls: calls.read,
    resetCalls: calls.reset,
    faults,
    quirks: world.quirks,
    quota,
    pushes,
    watches,
    tokens,
    consent,
    idToken: (claims = {}) => signer.sign({ ...pushClaims(pushes.read().to ?? { url: '' }, now()), ...claims }),
    async close() {
      closing.abort()
      await app.close()
      await parts.close()
    },
  }
}

function accountOf(world: World, address: string): Account {
  const account = world.accounts.get(address.toLowerCase())
  if (account) return account
  throw new Error(
    `the simulator has no mailbox ${address}, only ${[...world.accounts.keys()].join(', ') || 'none at all'}`,
  )
}
