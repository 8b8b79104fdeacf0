import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { denialOf } from '../denials.ts'
import { drip } from '../drip.ts'
import { kindOfCall } from './calls.ts'
import { GoogleError, unauthenticated } from './error.ts'
import { BATCH_FAULTS, type FaultKind, type Faults, PART_FAULTS, WHOLE_FAULTS } from './faults.ts'
import { tooMany } from './refusals.ts'
import { spoilBatch } from './spoil.ts'

// developers.google.com/workspace/gmail/api/guides/handle-errors; the 403s have no status there.
const exhausted = {
  code: 429,
  status: 'RESOURCE_EXHAUSTED',
  domain: 'usageLimits',
  reason: 'rateLimitExceeded',
  message: 'Rate Limit Exceeded',
} as const
const limited = { code: 403, domain: 'usageLimits' } as const
const failing = { reason: 'backendError' } as const
const crashed = () =>
  new GoogleError({ ...failing, code: 500, status: 'INTERNAL', message: 'Internal error encountered.' })
const expired = () => unauthenticated(true)

/** The faults that answer with an HTML page instead of a Google error. */
type PageFault = 'html-throttled' | 'html-unavailable'
/** The faults that answer with a Google error: all of these kinds but a cut connection and an HTML page. */
type ErrorFault = Exclude<(typeof WHOLE_FAULTS)[number] | (typeof PART_FAULTS)[number], 'reset' | PageFault>

const ERRORS: Readonly<Record<ErrorFault, (retryAfterSeconds: number) => GoogleError>> = {
  'throttled-until': retryAfterSeconds => new GoogleError({ ...exhausted, retryAfterSeconds }),
  throttled: () => new GoogleError(exhausted),
  'rate-limit': () => new GoogleError({ ...limited, reason: 'rateLimitExceeded', message: 'Rate Limit Exceeded' }),
  'user-rate-limit': () =>
    new GoogleError({ ...limited, reason: 'userRateLimitExceeded', message: 'User Rate Limit Exceeded' }),
  'server-error': crashed,
  unavailable: () =>
    new GoogleError({
      ...failing,
      code: 503,
      status: 'UNAVAILABLE',
      message: 'The service is currently unavailable.',
    }),
  'token-expired': expired,
  'part-throttled': tooMany,
  'part-error': crashed,
  'part-token-expired': expired,
}

const PAGES: Readonly<Record<PageFault, { code: number; title: string }>> = {
  'html-throttled': { code: 429, title: 'Error 429 (Too Many Requests)' },
  'html-unavailable': { code: 503, title: 'Error 503 (Service Unavailable)' },
}

/**
 * Applies faults to API calls at `app`, after their latency, and to the parts of batches at `parts`. Tokens
 * and the control port are exempt. `addressOf` returns the mailbox of an Authorization header; `closing` ends
 * slow answers.
 */
export function addFaults(
  app: FastifyInstance,
  {
    parts,
    faults,
    addressOf,
    closing,
  }: {
    parts: FastifyInstance
    faults: Faults
    addressOf: (authorization: string | undefined) => string | undefined
    closing: AbortSignal
  },
): void {
  const draw = <Asked extends FaultKind>(kinds: readonly Asked[], { headers }: FastifyRequest) =>
    faults.draw(kinds, addressOf(headers.authorization))

  app.addHook('preHandler', async (request, reply) => {
    const call = kindOfCall(request.method, request.url)
    if (call === undefined || call === 'token') return
    deny(request)
    const fault = draw(WHOLE_FAULTS, request)
    if (fault === 'reset') {
      reply.hijack()
      request.raw.socket.resetAndDestroy()
      return reply
    }
    if (fault && isPageFault(fault)) return sendPage(reply, PAGES[fault])
    strike(fault)
  })
  app.addHook('onSend', async (request, reply, payload) => {
    const call = kindOfCall(request.method, request.url)
    if (call === undefined || call === 'token') return payload
    const answer =
      call === 'batch' && reply.statusCode === 200
        ? spoil(String(payload), request, reply)
        : (payload as string | undefined)
    return answer && draw(['slow'], request) ? drip(answer, faults.read().dripMs, closing) : answer
  })
  parts.addHook('onRequest', async request => {
    deny(request)
    strike(draw(PART_FAULTS, request))
  })

  function deny({ url, headers }: FastifyRequest): void {
    const denial = denialOf(faults.read().denials, url, addressOf(headers.authorization))
    if (!denial) return
    const { status: code, reason, message = reason } = denial
    throw new GoogleError({ code, reason, message })
  }

  function strike(fault: ErrorFault | undefined): void {
    if (fault) throw ERRORS[fault](faults.read().retryAfterSeconds)
  }

  function spoil(text: string, request: FastifyRequest, reply: FastifyReply): string {
    const striking = BATCH_FAULTS.filter(kind => draw([kind], request))
    if (striking.length === 0) return text
    const type = String(reply.getHeader('content-type'))
    const spoiled = striking.reduce((answer, kind) => spoilBatch(kind, answer, faults.random), { type, text })
    reply.type(spoiled.type)
    return spoiled.text
  }
}

function isPageFault(fault: FaultKind): fault is PageFault {
  return fault in PAGES
}

function sendPage(reply: FastifyReply, { code, title }: { code: number; title: string }): FastifyReply {
  const html = `<!DOCTYPE html><html lang=en><title>${title}!!1</title><p><b>${code}.</b> <ins>That’s an error.</ins></html>\n`
  return reply.code(code).type('text/html; charset=UTF-8').send(html)
}
