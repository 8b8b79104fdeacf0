import { createHash, randomBytes, randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { encode } from 'html-entities'
import { consentPage, errorPage } from '../consent.ts'
import { isRedirect } from '../pkce.ts'
import { permissionsIn } from './grant.ts'

/** Settings for the consent of people and administrators. */
export interface GraphConsent {
  /** Gives consent at once without a page, for the mailbox of `login_hint`, else for the first. */
  auto: boolean
  /** The secret that programs must send; any is accepted if `undefined`. */
  clientSecret: string | undefined
}

/** A person's consent, until its code is redeemed. */
export interface Code {
  clientId: string
  redirectUri: string
  scope: string
  challenge: string | undefined
  nonce: string | undefined
  address: string
  expiresAtMs: number
}

interface Asked extends Omit<Code, 'address' | 'expiresAtMs'> {
  state: string | undefined
  mode: 'query' | 'form_post'
}

const CODE_LIFETIME_MS = 600_000

/**
 * Adds the authorization page: `/{tenant}/oauth2/v2.0/authorize`, with PKCE. Calls `issued` for each code.
 */
export function addAuthorize(
  app: FastifyInstance,
  options: {
    addresses: () => readonly string[]
    consent: GraphConsent
    now: () => number
    issued: (code: string, what: Code) => void
  },
): void {
  const { addresses, consent, now, issued } = options

  app.get('/:tenant/oauth2/v2.0/authorize', async (request, reply) => {
    const url = new URL(request.url, 'http://localhost')
    const query = url.searchParams
    const asked = readAsked(query)
    if ('wrong' in asked) return sendPage(reply.code(400), errorPage(asked.wrong))
    const hint = query.get('login_hint')?.toLowerCase()
    const offered = addresses().filter(address => hint === undefined || address === hint)
    const auto = query.has('auto') || consent.auto
    if (query.has('deny'))
      return goBack(reply, asked, {
        error: 'access_denied',
        error_subcode: 'cancel',
        error_description: 'AADSTS65004: User declined to consent to access the app.',
      })
    const approved = query.get('approve')?.toLowerCase() ?? (auto ? offered[0] : undefined)
    if (approved === undefined && query.get('prompt') === 'none')
      return goBack(reply, asked, {
        error: 'login_required',
        error_description: 'AADSTS50058: A silent sign-in request was sent but no user is signed in.',
      })
    if (approved === undefined) {
      const about = {
        title: 'Simulated Microsoft account',
        action: url.pathname,
        addresses: offered,
        scope: asked.scope,
      }
      return sendPage(reply, consentPage(query, about))
    }
    if (!addresses().includes(approved)) return sendPage(reply.code(400), errorPage('AADSTS50034: unknown account'))
    const code = `1.simulated-${randomBytes(24).toString('base64url')}`
    const { state: _, mode: __, ...what } = asked
    issued(code, { ...what, address: approved, expiresAtMs: now() + CODE_LIFETIME_MS })
    return goBack(reply, asked, { code, session_state: randomUUID() })
  })
}

function readAsked(query: URLSearchParams): Asked | { wrong: string } {
  const [clientId, redirectUri, scope] = ['client_id', 'redirect_uri', 'scope'].map(name => query.get(name))
  if (!clientId || !redirectUri || !scope)
    return { wrong: 'AADSTS900144: client_id, redirect_uri and scope are required' }
  if (query.get('response_type') !== 'code') return { wrong: 'AADSTS700054: response_type must be code' }
  const mode = query.get('response_mode') ?? 'query'
  if (mode !== 'query' && mode !== 'form_post') return { wrong: `response_mode=${mode} is not simulated` }
  if (!isRedirect(redirectUri))
    return { wrong: 'AADSTS50011: redirect_uri must be an address on this machine, or one with https' }
  if (permissionsIn(scope).length === 0) return { wrong: 'AADSTS70011: scope names no permission of Graph' }
  const challenge = query.get('code_challenge') ?? undefined
  if (challenge !== undefined && query.get('code_challenge_method') !== 'S256')
    return { wrong: 'AADSTS50148: code_challenge_method must be S256' }
  const optional = (name: string) => query.get(name) ?? undefined
  return { clientId, redirectUri, scope, state: optional('state'), challenge, nonce: optional('nonce'), mode }
}

function goBack(
  reply: FastifyReply,
  { redirectUri, state, mode }: Asked,
  answer: Record<string, string>,
): FastifyReply {
  const all = { ...answer, ...(state === undefined ? {} : { state }) }
  if (mode === 'form_post') return sendPage(reply, postingPage(redirectUri, all))
  const url = new URL(redirectUri)
  for (const [name, value] of Object.entries(all)) url.searchParams.set(name, value)
  return reply.redirect(url.href)
}

function postingPage(action: string, fields: Record<string, string>): string {
  const inputs = Object.entries(fields).map(
    ([name, value]) => `<input type="hidden" name="${encode(name)}" value="${encode(value)}">`,
  )
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Working…</title><form method="post" action="${encode(action)}">${inputs.join('')}<button>Continue</button></form><script>document.forms[0].submit()</script></html>\n`
}

function sendPage(reply: FastifyReply, html: string): FastifyReply {
  return reply.type('text/html; charset=utf-8').send(html)
}

/** Returns a person's subject identifier, which differs from program to program. */
export function subjectOf(clientId: string, address: string): string {
  return createHash('sha256').update(`${clientId} ${address}`).digest('base64url')
}
