import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { readBody } from '../control-body.ts'
import type { World } from './api.ts'
import type { CallCounts } from './calls.ts'
import { type Faults, faultsSchema } from './faults.ts'
import type { Consent } from './oauth.ts'
import { type Pushes, pushSchema } from './pubsub.ts'
import { quirksSchema } from './quirks.ts'
import { type Quota, quotaSchema } from './quota.ts'

/** What is ruled from the control port. */
export interface Controlled {
  world: World
  readCalls: () => CallCounts
  faults: Faults
  quota: Quota
  pushes: Pushes
  consent: Consent
}

const oauthSchema = z.strictObject({
  auto: z.boolean().optional(),
  accessTokenSeconds: z.number().int().min(1).optional(),
})

/**
 * Adds how other processes read and set what the simulator is to do; nothing here is delayed, counted, or struck by faults. JSON both
 * ways; a PUT answers with what a GET does.
 *
 * - `GET /control/calls`: HTTP requests by kind.
 * - `GET|PUT /control/faults`: what goes wrong, and how often it did. PUT replaces all settings.
 * - `GET|PUT /control/quirks`: what is odd and allowed to be. PUT replaces all.
 * - `GET|PUT|DELETE /control/quota`: `{settings, total, mailboxes}`. PUT replaces all settings, DELETE refuses nothing any more.
 * - `POST /control/quota/reset`: counts from zero.
 * - `GET|PUT /control/pushes`: `{settings, counts, watches}`. PUT changes what it names.
 * - `GET|PUT /control/oauth`: `{auto, accessTokenSeconds}`. PUT changes what it names.
 * - `POST /control/oauth/expire-tokens`: all access tokens so far are invalid; refresh tokens still work.
 */
export function addControl(app: FastifyInstance, controlled: Controlled): void {
  const { world, readCalls, faults, quota, pushes, consent } = controlled
  const { accounts, watches, tokens } = world
  app.get('/control/calls', async () => readCalls())

  const tellFaults = () => ({ ...faults.read(), counts: faults.counts() })
  app.get('/control/faults', async () => tellFaults())
  app.put('/control/faults', async ({ body }) => {
    faults.set(readBody(faultsSchema, body))
    return tellFaults()
  })

  app.get('/control/quirks', async () => world.quirks)
  app.put('/control/quirks', async ({ body }) => Object.assign(world.quirks, readBody(quirksSchema, body)))

  const addresses = () => [...accounts.keys()]
  const tellQuota = () => ({
    settings: quota.read() ?? null,
    total: quota.counts(),
    mailboxes: Object.fromEntries(addresses().map(address => [address, quota.counts(address)])),
  })
  app.get('/control/quota', async () => tellQuota())
  app.put('/control/quota', async ({ body }) => {
    quota.set(readBody(quotaSchema, body))
    return tellQuota()
  })
  app.delete('/control/quota', async () => {
    quota.set(undefined)
    return tellQuota()
  })
  app.post('/control/quota/reset', async () => {
    quota.reset()
    return tellQuota()
  })

  const tellPushes = () => ({
    settings: pushes.read(),
    counts: pushes.counts(),
    watches: Object.fromEntries(addresses().map(address => [address, watches.of(address) ?? null])),
  })
  app.get('/control/pushes', async () => tellPushes())
  app.put('/control/pushes', async ({ body }) => {
    pushes.set(readBody(pushSchema, body))
    return tellPushes()
  })

  const tellOauth = () => ({ auto: consent.auto, accessTokenSeconds: tokens.lifetime() })
  app.get('/control/oauth', async () => tellOauth())
  app.put('/control/oauth', async ({ body }) => {
    const { auto, accessTokenSeconds } = readBody(oauthSchema, body)
    if (auto !== undefined) consent.auto = auto
    if (accessTokenSeconds !== undefined) tokens.setLifetime(accessTokenSeconds)
    return tellOauth()
  })
  app.post('/control/oauth/expire-tokens', async () => {
    tokens.expire()
    return tellOauth()
  })
}
