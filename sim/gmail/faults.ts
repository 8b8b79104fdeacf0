import type { FastifyInstance, FastifyReply } from 'fastify'
import { z } from 'zod'
import { kindOfCall } from './calls.ts'
import { invalid } from './error.ts'

/**
 * What can go wrong with a call: whole answers (a 429 that says when to come back, one that does not, both 403 rate limits, a 500, a 503, a
 * connection that is reset), parts of a batch (a 429, a 500), and batch answers (cut short, one part missing).
 */
export const FAULT_KINDS = [
  'throttled-until',
  'throttled',
  'rate-limit',
  'user-rate-limit',
  'server-error',
  'unavailable',
  'reset',
  'part-throttled',
  'part-error',
  'truncated',
  'missing-part',
] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

/** A fault for a while: `rate` is its probability from 0 to 1 until the simulator's clock says `untilMs` (ms since 1970). */
export interface FaultBurst {
  kind: FaultKind
  rate: number
  untilMs: number
}

/** What goes wrong from now on: the probability of each kind, from 0 to 1, and bursts on top of it; the higher rate counts. */
export interface FaultSettings {
  rates?: Partial<Record<FaultKind, number>> | undefined
  bursts?: readonly FaultBurst[] | undefined
  /** What Retry-After says, in seconds, which may be a fraction; 1 where it is absent. */
  retryAfterSeconds?: number | undefined
  /** Starts the draws anew: the same seed gives the same draws in the same order. */
  seed?: number | undefined
}

/** The faults of a simulator; without settings there are none. */
export interface Faults {
  /** Replaces all settings. */
  set(settings: FaultSettings): void
  /** The settings in force, without bursts that are over. */
  read(): { rates: Partial<Record<FaultKind, number>>; bursts: readonly FaultBurst[]; retryAfterSeconds: number }
  /** How often each kind has struck since the simulator started. */
  counts(): Record<FaultKind, number>
  /** The first of these kinds that strikes now, if one does. */
  draw(kinds: readonly FaultKind[]): FaultKind | undefined
  /** The next number, from 0 up to 1, of the generator behind the draws. */
  random(): number
}

interface FaultAnswer {
  code: number
  status?: string
  domain: 'global' | 'usageLimits'
  reason: string
  message: string
}

const WHOLE: readonly FaultKind[] = [
  'reset',
  'throttled-until',
  'throttled',
  'rate-limit',
  'user-rate-limit',
  'server-error',
  'unavailable',
]
const OF_PART: readonly FaultKind[] = ['part-throttled', 'part-error']
const OF_BATCH: readonly FaultKind[] = ['truncated', 'missing-part']

const exhausted = { code: 429, status: 'RESOURCE_EXHAUSTED', reason: 'rateLimitExceeded' } as const
const failing = { domain: 'global', reason: 'backendError' } as const
const crashed = { ...failing, code: 500, status: 'INTERNAL', message: 'Internal error encountered.' }
// developers.google.com/gmail/api/guides/handle-errors; the 403s come without a status there.
const ANSWERS: Partial<Record<FaultKind, FaultAnswer>> = {
  'throttled-until': { ...exhausted, domain: 'usageLimits', message: 'Rate Limit Exceeded' },
  throttled: { ...exhausted, domain: 'usageLimits', message: 'Rate Limit Exceeded' },
  'rate-limit': { code: 403, domain: 'usageLimits', reason: 'rateLimitExceeded', message: 'Rate Limit Exceeded' },
  'user-rate-limit': {
    code: 403,
    domain: 'usageLimits',
    reason: 'userRateLimitExceeded',
    message: 'User Rate Limit Exceeded',
  },
  'server-error': crashed,
  unavailable: { ...failing, code: 503, status: 'UNAVAILABLE', message: 'The service is currently unavailable.' },
  'part-throttled': { ...exhausted, domain: 'global', message: 'Too many concurrent requests for user' },
  'part-error': crashed,
}

const rate = z.number().min(0).max(1)
const kind = z.enum(FAULT_KINDS)
const settingsSchema = z.strictObject({
  rates: z.partialRecord(kind, rate).optional(),
  bursts: z.array(z.strictObject({ kind, rate, untilMs: z.number() })).optional(),
  retryAfterSeconds: z.number().min(0).optional(),
  seed: z.number().int().optional(),
})

/** No faults yet; `now` tells when a burst is over. */
export function createFaults(now: () => number): Faults {
  const struck = Object.fromEntries(FAULT_KINDS.map(one => [one, 0])) as Record<FaultKind, number>
  let random = randomFrom(1)
  let rates: Partial<Record<FaultKind, number>> = {}
  let bursts: readonly FaultBurst[] = []
  let retryAfterSeconds = 1

  const active = () => bursts.filter(({ untilMs }) => untilMs > now())
  const rateOf = (one: FaultKind) => Math.max(rates[one] ?? 0, ...active().map(b => (b.kind === one ? b.rate : 0)))

  return {
    set(settings) {
      rates = settings.rates ?? {}
      bursts = settings.bursts ?? []
      retryAfterSeconds = settings.retryAfterSeconds ?? 1
      if (settings.seed !== undefined) random = randomFrom(settings.seed)
    },
    read: () => ({ rates, bursts: active(), retryAfterSeconds }),
    counts: () => ({ ...struck }),
    draw(kinds) {
      // A kind that cannot strike draws nothing, so that setting another does not shift its draws.
      const hit = kinds.find(one => rateOf(one) > 0 && random() < rateOf(one))
      if (hit) struck[hit] += 1
      return hit
    },
    random: () => random(),
  }
}

/** Reads fault settings from JSON; throws a 400 that names what is wrong. */
export function readFaults(json: unknown): FaultSettings {
  const { data, error } = settingsSchema.safeParse(json)
  if (data) return data
  throw invalid(error.issues.map(({ path, message }) => `${path.join('.') || 'faults'}: ${message}`).join('; '))
}

/** Lets faults strike: API calls at `app`, after their latency, and the parts of batches at `parts`; tokens and the control port are spared. */
export function addFaults({ app, parts, faults }: { app: FastifyInstance; parts: FastifyInstance; faults: Faults }) {
  app.addHook('preHandler', async (request, reply) => {
    const call = kindOfCall(request.method, request.url)
    if (call === undefined || call === 'token') return
    const fault = faults.draw(WHOLE)
    if (fault === 'reset') {
      reply.hijack()
      request.raw.socket.resetAndDestroy()
      return reply
    }
    if (fault === 'throttled-until') reply.header('retry-after', String(faults.read().retryAfterSeconds))
    return refuse(reply, fault)
  })
  app.addHook('onSend', async (request, reply, payload) => {
    if (kindOfCall(request.method, request.url) !== 'batch' || reply.statusCode !== 200) return payload
    const text = String(payload)
    const fault = faults.draw(OF_BATCH)
    if (fault === 'truncated') return text.slice(0, Math.floor(faults.random() * text.length))
    return fault === 'missing-part' ? withoutOne(text, faults.random()) : payload
  })
  parts.addHook('onRequest', async (_, reply) => refuse(reply, faults.draw(OF_PART)))
}

/** Numbers from 0 up to 1 that look random and are the same for the same seed (mulberry32, public domain). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

function refuse(reply: FastifyReply, fault: FaultKind | undefined): FastifyReply | undefined {
  const answer = fault && ANSWERS[fault]
  if (!answer) return undefined
  const { code, status, message, domain, reason } = answer
  const error = { code, message, errors: [{ message, domain, reason }], ...(status === undefined ? {} : { status }) }
  return reply
    .code(code)
    .type('application/json; charset=UTF-8')
    .send(JSON.stringify({ error }, null, 2))
}

/** A batch answer without one of its parts. */
function withoutOne(text: string, random: number): string {
  const boundary = text.slice(0, text.indexOf('\r\n'))
  const pieces = text.split(boundary)
  // Before the first boundary and after the last there is no part.
  const parts = pieces.length - 2
  return pieces.toSpliced(1 + Math.floor(random * parts), 1).join(boundary)
}
