import { setMaxListeners } from 'node:events'
import type { AddressInfo } from 'node:net'
import { fastify } from 'fastify'
import type { Beside } from './beside.ts'
import { type GateOptions, guardControl, guardedServer } from './gate.ts'
import { openAccount } from './graph/account.ts'
import type { GraphState } from './graph/answer.ts'
import type { GraphConsent } from './graph/authorize.ts'
import { type CallCounts, countCalls } from './graph/calls.ts'
import { addControl } from './graph/control.ts'
import { addMailboxControl } from './graph/control-mailboxes.ts'
import { createGraphFaults, type GraphFaultSettings, type GraphFaults } from './graph/faults.ts'
import { type GraphDelivery, type GraphHandle, openHandle } from './graph/handle.ts'
import { createNotifications, type Notifications } from './graph/notify.ts'
import { addOAuth } from './graph/oauth.ts'
import { type Quirks, USUAL_QUIRKS } from './graph/quirks.ts'
import { addServing } from './graph/serve.ts'
import { createStriking } from './graph/strike.ts'
import { createSubscriptions, type Subscriptions } from './graph/subscriptions.ts'
import { createThrottling, type Throttling, type ThrottlingSettings } from './graph/throttling.ts'
import { createTokens, type Tokens } from './graph/token.ts'
import type { SimMailbox } from './mailbox.ts'
import { openAccounts } from './open-accounts.ts'
import { latencyMs, type Profile } from './profile.ts'
import { randomFrom } from './random.ts'
import { createSigner } from './signing.ts'

/** A running Graph simulator. */
export interface GraphSimulator {
  /**
   * Such as `http://127.0.0.1:8026`; Graph is under `/v1.0`, and its tokens come from
   * `/common/oauth2/v2.0/token`.
   */
  url: string
  mailboxes(): { address: string; messages: number }[]
  /** Returns the handle that changes a mailbox from outside; throws if there is no such mailbox. */
  mailbox(address: string): GraphHandle
  /**
   * Delivers a mail, by default received now, unread and in the inbox; throws if there is no such mailbox or
   * folder.
   */
  deliver(address: string, raw: Buffer | string, options?: GraphDelivery): { id: string; conversationId: string }
  calls(): CallCounts
  resetCalls(): void
  /** Unusual but valid behaviour. */
  quirks: Quirks
  /** Expires tokens and revokes grants. */
  tokens: Tokens
  /** Whether the authorization page waits for a person, and the secret that programs must send. */
  consent: GraphConsent
  /** Faults; none until set here or with `PUT /control/graph/faults`. */
  faults: GraphFaults
  /**
   * Request counts and limits; no limits until set here, in the options or with `PUT
   * /control/graph/throttling`.
   */
  throttling: Throttling
  subscriptions: Subscriptions
  /** The targets of notifications, and their losses. */
  notifications: Notifications
  /**
   * Stops listening and cuts requests in flight; nothing of the simulator keeps the process alive afterwards.
   */
  close(): Promise<void>
}

/** Options of a simulator. */
export interface GraphOptions extends GateOptions {
  /** A free port by default. */
  port?: number
  profile: Profile
  /** The latency of every call in ms; the profile's by default. */
  latencyMs?: number
  mailboxes: readonly SimMailbox[]
  now?: () => number
  /** The speed-up of latencies and quota minutes; 1 by default. */
  speed?: number
  /** Such as `http://127.0.0.1:8080`: replaces the host of every notification address. */
  pushTo?: string
  /** The initial faults; none by default. */
  faults?: GraphFaultSettings
  /** Without it nothing is refused, and requests are only counted. */
  throttling?: ThrottlingSettings
}

/** A Graph that does not listen: another server passes it the requests that it claims. */
export interface GraphParts extends Beside {
  /** Returns the simulator, once its address is known. */
  at(url: string): GraphSimulator
}

const BODY_LIMIT_BYTES = 64 << 20
const SERVER = {
  bodyLimit: BODY_LIMIT_BYTES,
  exposeHeadRoutes: false,
  forceCloseConnections: true,
  // Links use the host that the client requested.
  trustProxy: true,
  routerOptions: { maxParamLength: 400 },
}
const CLAIMED =
  /^\/(v1\.0|beta|control\/graph|common\/discovery|[^/]+\/(oauth2\/v2\.0|v2\.0\/\.well-known|discovery\/v2\.0))(\/|\?|$)/i

/**
 * Starts a Graph with these mailboxes, on 127.0.0.1 by default; throws if two have the same address or the
 * port is taken.
 */
export async function startGraph(options: GraphOptions): Promise<GraphSimulator> {
  const { app, simulator } = build(options)
  await app.listen({ host: options.host ?? '127.0.0.1', port: options.port ?? 0 })
  return simulator(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`)
}

/** Creates a Graph that another server passes requests to; throws if two mailboxes have the same address. */
export async function openGraph(options: GraphOptions): Promise<GraphParts> {
  const { app, simulator } = build(options)
  await app.ready()
  return {
    claims: url => CLAIMED.test(url),
    handle: (request, response) => app.routing(request, response),
    at: simulator,
  }
}

function build(options: GraphOptions) {
  const { profile, mailboxes, now = Date.now, speed = 1, pushTo } = options
  const accounts = openAccounts(mailboxes, mailbox => openAccount(mailbox, now))
  const tokens = createTokens({ known: address => accounts.has(address), now })
  const calls = countCalls()
  const consent: GraphConsent = { auto: false, clientSecret: undefined }
  const closing = new AbortController()
  // Every delayed request listens to it.
  setMaxListeners(0, closing.signal)
  const random = randomFrom(1)
  const faults = createGraphFaults(now)
  faults.set(options.faults ?? {})
  const startedMs = now()
  const throttling = createThrottling({ now, elapsedMs: () => (now() - startedMs) * speed, speed })
  throttling.set(options.throttling)
  const notifications = createNotifications({ speed, random, closing: closing.signal })
  notifications.set({ to: pushTo })
  const subscriptions = createSubscriptions(accounts, { notifications, now })
  tokens.listen((event, address) =>
    subscriptions.notify(event === 'revoked' ? 'subscriptionRemoved' : 'reauthorizationRequired', address),
  )
  const state: GraphState = { accounts, tokens, subscriptions, now, quirks: { ...USUAL_QUIRKS }, random }
  const app = fastify({ ...SERVER, serverFactory: handler => guardedServer(handler, options) })
  guardControl(app, options)
  const striking = createStriking({ faults, now, closing: closing.signal })
  const latency = (call: { kind: string; parts: number }) => latencyMs(profile, call, options.latencyMs) / speed
  addServing(app, { state, calls, throttling, striking, latency, closing: closing.signal })
  addOAuth(app, { tokens, addresses: () => [...accounts.keys()], signer: createSigner(now), consent, calls, now })

  addMailboxControl(app, state)
  addControl(app, { state, readCalls: calls.read, faults, throttling, notifications, consent })

  const accountOf = (address: string) => {
    const account = accounts.get(address.toLowerCase())
    if (account) return account
    throw new Error(`the simulator has no mailbox ${address}; it has ${[...accounts.keys()].join(', ') || 'none'}`)
  }
  const simulator = (url: string): GraphSimulator => ({
    url,
    mailboxes: () =>
      [...accounts.values()].map(({ address, messages }) => ({ address, messages: messages.newestFirst().length })),
    mailbox: address => openHandle(accountOf(address), now),
    deliver: (address, raw, options) => openHandle(accountOf(address), now).deliver(raw, options),
    calls: calls.read,
    resetCalls: calls.reset,
    quirks: state.quirks,
    tokens,
    consent,
    faults,
    throttling,
    subscriptions,
    notifications,
    async close() {
      closing.abort()
      await app.close()
    },
  })
  return { app, simulator }
}
