import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { readBody } from '../control-body.ts'
import type { World } from './answer.ts'
import type { GraphConsent } from './authorize.ts'
import type { CallCounts } from './calls.ts'
import { type GraphFaults, graphFaultsSchema } from './faults.ts'
import { type Notifications, notificationSchema } from './notify.ts'
import { quirksSchema } from './quirks.ts'
import { type Throttling, throttlingSchema } from './throttling.ts'

/** What is ruled from the control port. */
export interface Controlled {
  world: World
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
 * Adds how other processes read and set what the simulated Graph is to do; nothing here is delayed, counted, or struck by faults. JSON
 * both ways; a PUT answers with what a GET does.
 *
 * - `GET /control/graph/calls`: HTTP requests by kind, those inside batches under `parts`.
 * - `GET|PUT /control/graph/faults`: what goes wrong, and how often it did. PUT replaces all settings.
 * - `GET|PUT /control/graph/quirks`: what is odd and allowed to be. PUT replaces all.
 * - `GET|PUT|DELETE /control/graph/throttling`: `{settings, total, mailboxes}`. PUT replaces all settings, DELETE refuses nothing any more.
 * - `GET|PUT /control/graph/notifications`: `{settings, counts, subscriptions}`. PUT changes what it names.
 * - `GET|PUT /control/graph/oauth`: `{auto, clientSecret, accessTokenSeconds, singleUse}`. PUT changes what it names.
 * - `POST /control/graph/expire-tokens`: all access tokens so far are invalid; refresh tokens still work.
 */
export function addControl(app: FastifyInstance, controlled: Controlled): void {
  const { world, readCalls, faults, throttling, notifications, consent } = controlled
  const { accounts, subscriptions, tokens } = world
  const root = '/control/graph'
  app.get(`${root}/calls`, async () => readCalls())

  const tellFaults = () => ({ ...faults.read(), counts: faults.counts() })
  app.get(`${root}/faults`, async () => tellFaults())
  app.put(`${root}/faults`, async ({ body }) => {
    faults.set(readBody(graphFaultsSchema, body))
    return tellFaults()
  })

  app.get(`${root}/quirks`, async () => world.quirks)
  app.put(`${root}/quirks`, async ({ body }) => Object.assign(world.quirks, readBody(quirksSchema, body)))

  const tellThrottling = () => ({
    settings: throttling.read() ?? null,
    total: throttling.counts(),
    mailboxes: Object.fromEntries([...accounts.keys()].map(address => [address, throttling.counts(address)])),
  })
  app.get(`${root}/throttling`, async () => tellThrottling())
  app.put(`${root}/throttling`, async ({ body }) => {
    throttling.set(readBody(throttlingSchema, body))
    return tellThrottling()
  })
  app.delete(`${root}/throttling`, async () => {
    throttling.set(undefined)
    return tellThrottling()
  })

  const tellNotifications = () => ({
    settings: notifications.read(),
    counts: notifications.counts(),
    // Whoever may set all this may not read what subscribers keep secret.
    subscriptions: subscriptions.list('all').map(({ clientState: _, ...shown }) => shown),
  })
  app.get(`${root}/notifications`, async () => tellNotifications())
  app.put(`${root}/notifications`, async ({ body }) => {
    notifications.set(readBody(notificationSchema, body))
    return tellNotifications()
  })

  const tellOauth = () => ({
    auto: consent.auto,
    clientSecret: consent.clientSecret ?? null,
    accessTokenSeconds: tokens.lifetime(),
    singleUse: tokens.singleUse(),
  })
  app.get(`${root}/oauth`, async () => tellOauth())
  app.put(`${root}/oauth`, async ({ body }) => {
    const { auto, clientSecret, accessTokenSeconds, singleUse } = readBody(oauthSchema, body)
    if (auto !== undefined) consent.auto = auto
    if (clientSecret !== undefined) consent.clientSecret = clientSecret ?? undefined
    if (accessTokenSeconds !== undefined) tokens.setLifetime(accessTokenSeconds)
    if (singleUse !== undefined) tokens.setSingleUse(singleUse)
    return tellOauth()
  })
  app.post(`${root}/expire-tokens`, async () => {
    tokens.expire()
    return tellOauth()
  })
}
