import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { readBody } from '../control-body.ts'
import type { GmailState } from './api.ts'
import type { CallCounts } from './calls.ts'
import { type Faults, faultsSchema } from './faults.ts'
import type { Consent } from './oauth.ts'
import type { Pushes } from './pubsub.ts'
import { pushSchema } from './push-settings.ts'
import { quirksSchema } from './quirks.ts'
import type { Quota } from './quota.ts'
import { quotaSchema } from './quota-settings.ts'

/** The objects that the control port controls. */
export interface Controlled {
  state: GmailState
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
 * Adds the routes through which other processes read and change the simulator's settings. Control requests
 * are not delayed, counted, or struck by faults. Bodies are JSON; a PUT answers like a GET.
 *
 * - `GET /control/calls`: HTTP requests by kind.
 * - `GET|PUT /control/faults`: the faults and their counts. PUT replaces all settings.
 * - `GET|PUT /control/quirks`: unusual but valid behaviour. PUT replaces all.
 * - `GET|PUT|DELETE /control/quota`: `{settings, total, mailboxes}`. PUT replaces all settings, DELETE
 *   removes all limits.
 * - `POST /control/quota/reset`: counts from zero.
 * - `GET|PUT /control/pushes`: `{settings, counts, watches}`. PUT changes only the named settings.
 * - `GET|PUT /control/oauth`: `{auto, accessTokenSeconds}`. PUT changes only the named settings.
 * - `POST /control/oauth/expire-tokens`: invalidates all existing access tokens; refresh tokens still work.
 */
export function addControl(app: FastifyInstance, controlled: Controlled): void {
  const { state, readCalls, faults, quota, pushes, consent } = controlled
  const { accounts, watches, tokens } = state
  app.get('/control/calls', async () => readCalls())

  const readFaults = () => ({ ...faults.read(), counts: faults.counts() })
  app.get('/control/faults', async () => readFaults())
  app.put('/control/faults', async ({ body }) => {
    faults.set(readBody(faultsSchema, body))
    return readFaults()
  })

  app.get('/control/quirks', async () => state.quirks)
  app.put('/control/quirks', async ({ body }) => Object.assign(state.quirks, readBody(quirksSchema, body)))

  const addresses = () => [...accounts.keys()]
  const readQuota = () => ({
    settings: quota.read() ?? null,
    total: quota.counts(),
    mailboxes: Object.fromEntries(addresses().map(address => [address, quota.counts(address)])),
  })
  app.get('/control/quota', async () => readQuota())
  app.put('/control/quota', async ({ body }) => {
    quota.set(readBody(quotaSchema, body))
    return readQuota()
  })
  app.delete('/control/quota', async () => {
    quota.set(undefined)
    return readQuota()
  })
  app.post('/control/quota/reset', async () => {
    quota.reset()
    return readQuota()
  })

  const readPushes = () => ({
    settings: pushes.read(),
    counts: pushes.counts(),
    watches: Object.fromEntries(addresses().map(address => [address, watches.of(address) ?? null])),
  })
  app.get('/control/pushes', async () => readPushes())
  app.put('/control/pushes', async ({ body }) => {
    pushes.set(readBody(pushSchema, body))
    return readPushes()
  })

  const readOauth = () => ({ auto: consent.auto, accessTokenSeconds: tokens.lifetime() })
  app.get('/control/oauth', async () => readOauth())
  app.put('/control/oauth', async ({ body }) => {
    const { auto, accessTokenSeconds } = readBody(oauthSchema, body)
    if (auto !== undefined) consent.auto = auto
    if (accessTokenSeconds !== undefined) tokens.setLifetime(accessTokenSeconds)
    return readOauth()
  })
  app.post('/control/oauth/expire-tokens', async () => {
    tokens.expire()
    return readOauth()
  })
}
