import { setMaxListeners } from 'node:events'
import type { AddressInfo } from 'node:net'
import { fastify } from 'fastify'
import type { Beside } from './beside.ts'
import { type GateOptions, guardControl, guardedServer } from './gate.ts'
import { openAccount } from './graph/account.ts'
import type { World } from './graph/answer.ts'
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
  /** Such as `http://127.0.0.1:8026`; Graph is under `/v1.0`, its tokens come from `/common/oauth2/v2.0/token`. */
  url: string
  mailboxes(): { address: string; messages: number }[]
  /** What can be done to a mailbox from outside; throws where there is no such mailbox. */
  mailbox(address: string): GraphHandle
  /** Delivers a mail, received now and to the inbox, unread, where nothing else is said; throws where there is no such mailbox or folder. */
  deliver(address: string, raw: Buffer | string, options?: GraphDelivery): { id: string; conversationId: string }
  calls(): CallCounts
  resetCalls(): void
  /** What is odd about it, and allowed to be. */
  quirks: Quirks
  /** Lets tokens expire and takes grants back. */
  tokens: Tokens
  /** Whether the authorization page waits for somebody, and which secret programs have to show. */
  consent: GraphConsent
  /** What goes wrong: nothing, until it is set here or with `PUT /control/graph/faults`. */
  faults: GraphFaults
  /** What was asked for, and what is refused: nothing, until it is set here, in the options or with `PUT /control/graph/throttling`. */
  throttling: Throttling
  subscriptions: Subscriptions
  /** Where notifications go, and how they get lost. */
  notifications: Notifications
  /** Stops listening and cuts what is under way; nothing of the simulator keeps the process alive after. */
  close(): Promise<void>
}

/** What a simulator is started with. */
export interface GraphOptions extends GateOptions {
  /** A free one where it is absent. */
  port?: number
  profile: Profile
  /** The latency of every call in ms; that of the profile where it is absent. */
  latencyMs?: number
  mailboxes: readonly SimMailbox[]
  now?: () => number
  /** How many times faster calls are answered and quota minutes pass; 1 where it is absent. */
  speed?: number
  /** Such as `http://127.0.0.1:8080`: stands in for the host of every address that is notified. */
  pushTo?: string
  /** What goes wrong from the start; nothing where it is absent. */
  faults?: GraphFaultSettings
  /** Without it nothing is refused, and requests are counted only. */
  throttling?: ThrottlingSettings
}

/** A Graph that is not listening: another server hands it the requests that it claims. */
export interface GraphParts extends Beside {
  /** The simulator, once it is known where it can be reached. */
  at(url: string): GraphSimulator
}

const BODY_LIMIT_BYTES = 64 << 20
const SERVER = {
  bodyLimit: BODY_LIMIT_BYTES,
  exposeHeadRoutes: false,
  forceCloseConnections: true,
  // Links are for the host that a client believes it asks.
  trustProxy: true,
  routerOptions: { maxParamLength: 400 },
}
const CLAIMED =
  /^\/(v1\.0|beta|control\/graph|common\/discovery|[^/]+\/(oauth2\/v2\.0|v2\.0\/\.well-known|discovery\/v2\.0))(\/|\?|$)/i

/** Starts a Graph, on 127.0.0.1 where nothing else is said, that holds these mailboxes; throws where two have the same address or the port is taken. */
export async function startGraph(options: GraphOptions): Promise<GraphSimulator> {
  const { app, simulator } = build(options)
  await app.listen({ host: options.host ?? '127.0.0.1', port: options.port ?? 0 })
  return simulator(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`)
}

/** Makes a Graph that another server hands requests to; throws where two mailboxes have the same address. */
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
  // Every request that is being delayed listens to it.
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
    subscriptions.tell(event === 'revoked' ? 'subscriptionRemoved' : 'reauthorizationRequired', address),
  )
  const world: World = { accounts, tokens, subscriptions, now, quirks: { ...USUAL_QUIRKS }, random }
  const app = fastify({ ...SERVER, serverFactory: handler => guardedServer(handler, options) })
  guardControl(app, options)
  const striking = createStriking({ faults, now, closing: closing.signal })
  const latency = (call: { kind: string; parts: number }) => latencyMs(profile, call, options.latencyMs) / speed
  addServing(app, { world, calls, throttling, striking, latency, closing: closing.signal })
  addOAuth(app, { tokens, addresses: () => [...accounts.keys()], signer: createSigner(now), consent, calls, now })

  addMailboxControl(app, world)
  addControl(app, { world, readCalls: calls.read, faults, throttling, notifications, consent })

  const accountOf = (address: string) => {
    const account = accounts.get(address.toLowerCase())
    if (account) return account
    throw new Error(`the simulator has no mailbox ${address}, only ${[...accounts.keys()].join(', ') || 'none at all'}`)
  }
  const simulator = (url: string): GraphSimulator => ({
    url,
    mailboxes: () =>
      [...accounts.values()].map(({ address, messages }) => ({ address, messages: messages.newestFirst().length })),
    mailbox: address => openHandle(accountOf(address), now),
    deliver: (address, raw, options) => openHandle(accountOf(address), now).deliver(raw, options),
    calls: calls.read,
    resetCalls: calls.reset,
    quirks: world.quirks,
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
