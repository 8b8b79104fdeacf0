import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { readBody } from '../control-body.ts'
import type { GraphState } from './answer.ts'
import type { GraphConsent } from './authorize.ts'
import type { CallCounts } from './calls.ts'
import { type GraphFaults, graphFaultsSchema } from './faults.ts'
import { type Notifications, notificationSchema } from './notify.ts'
import { quirksSchema } from './quirks.ts'
import { type Throttling, throttlingSchema } from './throttling.ts'

/** The objects that the control port controls. */
export interface Controlled {
  state: GraphState
  readCalls: () => CallCounts
  faults: GraphFaults
  throttling: Throttling
  notifications: Notifications
  consent: GraphConsent
}

const oauthSchema = z.strictObject({
  auto: z.boolean().optional(),
  clientSecret: z.string().nullable().optional(),
  accessTokenSeconds: z.number().int().min(1).optional(),
  singleUse: z.boolean().optional(),
})

/**
 * Adds the routes through which other processes read and change the simulated Graph's settings. Control
 * requests are not delayed, counted, or struck by faults. Bodies are JSON; a PUT answers like a GET.
 *
 * - `GET /control/graph/calls`: HTTP requests by kind, those inside batches under `parts`.
 * - `GET|PUT /control/graph/faults`: the faults and their counts. PUT replaces all settings.
 * - `GET|PUT /control/graph/quirks`: unusual but valid behaviour. PUT replaces all.
 * - `GET|PUT|DELETE /control/graph/throttling`: `{settings, total, mailboxes}`. PUT replaces all settings,
 *   DELETE removes all limits.
 * - `GET|PUT /control/graph/notifications`: `{settings, counts, subscriptions}`. PUT changes only the named
 *   settings.
 * - `GET|PUT /control/graph/oauth`: `{auto, clientSecret, accessTokenSeconds, singleUse}`. PUT changes only
 *   the named settings.
 * - `POST /control/graph/expire-tokens`: invalidates all existing access tokens; refresh tokens still work.
 */
export function addControl(app: FastifyInstance, controlled: Controlled): void {
  const { state, readCalls, faults, throttling, notifications, consent } = controlled
  const { accounts, subscriptions, tokens } = state
  const root = '/control/graph'
  app.get(`${root}/calls`, async () => readCalls())

  const readFaults = () => ({ ...faults.read(), counts: faults.counts() })
  app.get(`${root}/faults`, async () => readFaults())
  app.put(`${root}/faults`, async ({ body }) => {
    faults.set(readBody(graphFaultsSchema, body))
    return readFaults()
  })

  app.get(`${root}/quirks`, async () => state.quirks)
  app.put(`${root}/quirks`, async ({ body }) => Object.assign(state.quirks, readBody(quirksSchema, body)))

  const readThrottling = () => ({
    settings: throttling.read() ?? null,
    total: throttling.counts(),
    mailboxes: Object.fromEntries([...accounts.keys()].map(address => [address, throttling.counts(address)])),
  })
  app.get(`${root}/throttling`, async () => readThrottling())
  app.put(`${root}/throttling`, async ({ body }) => {
    throttling.set(readBody(throttlingSchema, body))
    return readThrottling()
  })
  app.delete(`${root}/throttling`, async () => {
    throttling.set(undefined)
    return readThrottling()
  })

  const readNotifications = () => ({
    settings: notifications.read(),
    counts: notifications.counts(),
    // The control port may change settings, but not read the subscribers' secrets.
    subscriptions: subscriptions.list('all').map(({ clientState: _, ...shown }) => shown),
  })
  app.get(`${root}/notifications`, async () => readNotifications())
  app.put(`${root}/notifications`, async ({ body }) => {
    notifications.set(readBody(notificationSchema, body))
    return readNotifications()
  })

  const readOauth = () => ({
    auto: consent.auto,
    clientSecret: consent.clientSecret ?? null,
    accessTokenSeconds: tokens.lifetime(),
    singleUse: tokens.singleUse(),
  })
  app.get(`${root}/oauth`, async () => readOauth())
  app.put(`${root}/oauth`, async ({ body }) => {
    const { auto, clientSecret, accessTokenSeconds, singleUse } = readBody(oauthSchema, body)
    if (auto !== undefined) consent.auto = auto
    if (clientSecret !== undefined) consent.clientSecret = clientSecret ?? undefined
    if (accessTokenSeconds !== undefined) tokens.setLifetime(accessTokenSeconds)
    if (singleUse !== undefined) tokens.setSingleUse(singleUse)
    return readOauth()
  })
  app.post(`${root}/expire-tokens`, async () => {
    tokens.expire()
    return readOauth()
  })
}
