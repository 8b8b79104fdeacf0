import { setMaxListeners } from 'node:events'
import type { AddressInfo } from 'node:net'
import { fastify } from 'fastify'
import { type Beside, handlerBeside } from './beside.ts'
import { type GateOptions, guardControl, guardedServer } from './gate.ts'
import { type Account, openAccount } from './gmail/account.ts'
import { addApi, type GmailState } from './gmail/api.ts'
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
  /** Such as `http://127.0.0.1:8025`; OAuth tokens come from `/token`, and the API is under `/gmail/v1`. */
  url: string
  mailboxes(): MailboxSize[]
  /** Returns the handle that changes a mailbox from outside; throws if there is no such mailbox. */
  mailbox(address: string): MailboxHandle
  /**
   * Delivers a mail, by default received now, unread and in the inbox; throws if there is no such mailbox.
   */
  deliver(
    address: string,
    raw: Buffer | string,
    options?: Delivery,
  ): { id: string; threadId: string; historyId: string }
  /** Makes all existing history ids too old: listing from one answers 404. */
  expireHistory(address: string): void
  calls(): CallCounts
  resetCalls(): void
  /** Faults; none until set here or with `PUT /control/faults`. */
  faults: Faults
  /** Unusual but valid behaviour; none until set here or with `PUT /control/quirks`. */
  quirks: Quirks
  /** Quota counts and limits; no limits until set here, in the options or with `PUT /control/quota`. */
  quota: Quota
  /**
   * The target of watch notifications, and their losses; set here, in the options or with `PUT
   * /control/pushes`.
   */
  pushes: Pushes
  watches: Watches
  /** Expires tokens and revokes grants. */
  tokens: Tokens
  /** Whether the authorization page waits for a person. */
  consent: Consent
  /**
   * Returns a token signed by the simulator's key like those of pushes, with these claims replaced;
   * `undefined` omits one.
   */
  idToken(claims?: Readonly<Record<string, unknown>>): Promise<string>
  /**
   * Stops listening and cuts requests in flight; nothing of the simulator keeps the process alive afterwards.
   */
  close(): Promise<void>
}

/** Options of a simulator. */
export interface GmailOptions extends GateOptions {
  /** A free port by default. */
  port?: number
  profile: Profile
  /** The latency of every call in ms; the profile's by default. */
  latencyMs?: number
  mailboxes: readonly SimMailbox[]
  now?: () => number
  /** The speed-up of quota minutes and latencies; dates and tokens follow `now`. 1 by default. */
  speed?: number
  /** Without it nothing is refused, and units follow the costs of 2026. */
  quota?: QuotaSettings
  /** The target of watch notifications; none by default. */
  pushTo?: PushTarget
  /** The initial faults; none by default. */
  faults?: FaultSettings
  /** A handler that answers some requests on its port. */
  beside?: Beside
}

const BODY_LIMIT_BYTES = 64 << 20
const SERVER = { bodyLimit: BODY_LIMIT_BYTES, exposeHeadRoutes: false, routerOptions: { maxParamLength: 400 } }

/**
 * Starts a Gmail with these mailboxes, on 127.0.0.1 by default; throws if two have the same address or the
 * port is taken.
 */
export async function startGmail(options: GmailOptions): Promise<GmailSimulator> {
  const { port = 0, host = '127.0.0.1', profile, mailboxes, now = Date.now, speed = 1, beside } = options
  const accounts = openAccounts(mailboxes, mailbox => openAccount(mailbox, now))
  const tokens = createTokens({ known: address => accounts.has(address), now })
  const calls = countCalls()
  const faults = createFaults(now)
  faults.set(options.faults ?? {})
  const closing = new AbortController()
  // Every delayed request listens to it.
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
  const state: GmailState = { accounts, tokens, watches, now, quirks: { ...NO_QUIRKS } }

  // A separate server answers the parts of a batch. It is neither counted nor delayed, and never listens.
  const parts = fastify(SERVER)
  addApi(parts, state)

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
  const { refusals } = addQuota(app, { state, quota })
  app.addHook('preHandler', async request => {
    const kind = kindOfCall(request.method, request.url)
    const { length } = partsIn(request)
    calls.noteParts(length)
    if (!kind || kind === 'token') return
    await pause(latencyMs(profile, { kind, parts: length }, options.latencyMs) / speed, closing.signal)
  })
  addOAuth(app, { tokens, addresses: () => [...accounts.keys()], signer, consent, now })
  addFaults(app, { parts, faults, addressOf: tokens.addressIn, closing: closing.signal })
  addApi(app, state)
  addBatch(app, { parts, refusals })
  addMailboxControl(app, state)
  addControl(app, { state, readCalls: calls.read, faults, quota, pushes, consent })
  await app.listen({ host, port })

  return {
    url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`,
    mailboxes: () => sizes(state),
    mailbox: address => openHandle(accountOf(state, address)),
    deliver: (address, raw, { labels, receivedAt, threadId } = {}) =>
      deliverTo(accountOf(state, address), { raw, labels, receivedAtMs: receivedAt, threadId }, now()),
    expireHistory: address => accountOf(state, address).history.expire(),
    calls: calls.read,
    resetCalls: calls.reset,
    faults,
    quirks: state.quirks,
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

function accountOf(state: GmailState, address: string): Account {
  const account = state.accounts.get(address.toLowerCase())
  if (account) return account
  throw new Error(
    `the simulator has no mailbox ${address}, only ${[...state.accounts.keys()].join(', ') || 'none at all'}`,
  )
}
