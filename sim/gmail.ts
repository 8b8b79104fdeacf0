import { setMaxListeners } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type FastifyInstance, fastify } from 'fastify'
import { handlerBeside } from './beside.ts'
import { guardControl, guardedServer } from './gate.ts'
import { type Account, openAccount } from './gmail/account.ts'
import { addApi, type GmailState } from './gmail/api.ts'
import { addBatch, partsIn } from './gmail/batch.ts'
import { countCalls, kindOfCall } from './gmail/calls.ts'
import { addControl } from './gmail/control.ts'
import { addMailboxControl, deliverTo, sizes } from './gmail/control-mailboxes.ts'
import { createFaults } from './gmail/faults.ts'
import { openHandle } from './gmail/handle.ts'
import { addOAuth, type Consent } from './gmail/oauth.ts'
import { createPushes, pushClaims } from './gmail/pubsub.ts'
import { NO_QUIRKS } from './gmail/quirks.ts'
import { createQuota } from './gmail/quota.ts'
import { addQuota } from './gmail/quota-gate.ts'
import type { GmailOptions, GmailSimulator } from './gmail/simulator.ts'
import { addFaults } from './gmail/strike.ts'
import { createTokens } from './gmail/token.ts'
import { createWatches } from './gmail/watch.ts'
import { openAccounts } from './open-accounts.ts'
import { latencyMs, pause } from './profile.ts'
import { createSigner } from './signing.ts'

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
  addCounting(app, calls)
  const { refusals } = addQuota(app, { state, quota })
  addLatency(app, call => pause(latencyMs(profile, call, options.latencyMs) / speed, closing.signal))
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

function addCounting(app: FastifyInstance, calls: ReturnType<typeof countCalls>): void {
  app.addHook('onRequest', async request => {
    const kind = kindOfCall(request.method, request.url)
    if (kind) calls.note(kind)
  })
  app.addHook('preHandler', async request => calls.noteParts(partsIn(request).length))
}

// Delays each call but those for tokens, by its kind and the parts of its batch.
function addLatency(app: FastifyInstance, delay: (call: { kind: string; parts: number }) => Promise<unknown>): void {
  app.addHook('preHandler', async request => {
    const kind = kindOfCall(request.method, request.url)
    if (kind && kind !== 'token') await delay({ kind, parts: partsIn(request).length })
  })
}

function accountOf(state: GmailState, address: string): Account {
  const account = state.accounts.get(address.toLowerCase())
  if (account) return account
  throw new Error(
    `the simulator has no mailbox ${address}, only ${[...state.accounts.keys()].join(', ') || 'none at all'}`,
  )
}
