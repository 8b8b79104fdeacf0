import { setMaxListeners } from 'node:events'
import type { AddressInfo } from 'node:net'
import { fastify } from 'fastify'
import type { Beside } from './beside.ts'
import { guardControl, guardedServer } from './gate.ts'
import { openAccount } from './graph/account.ts'
import type { GraphState } from './graph/answer.ts'
import type { GraphConsent } from './graph/authorize.ts'
import { countCalls } from './graph/calls.ts'
import { addControl } from './graph/control.ts'
import { addMailboxControl } from './graph/control-mailboxes.ts'
import { createGraphFaults } from './graph/faults.ts'
import { openHandle } from './graph/handle.ts'
import { createNotifications } from './graph/notify.ts'
import { addOAuth } from './graph/oauth.ts'
import { USUAL_QUIRKS } from './graph/quirks.ts'
import { addServing } from './graph/serve.ts'
import type { GraphOptions, GraphSimulator } from './graph/simulator.ts'
import { createStriking } from './graph/strike.ts'
import { createSubscriptions } from './graph/subscriptions.ts'
import { createThrottling } from './graph/throttling.ts'
import { createTokens } from './graph/token.ts'
import { openAccounts } from './open-accounts.ts'
import { latencyMs } from './profile.ts'
import { randomFrom } from './random.ts'
import { createSigner } from './signing.ts'

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
