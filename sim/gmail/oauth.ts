import { createHash, randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { consentPage, errorPage } from '../consent.ts'
import { challengeOf, isRedirect } from '../pkce.ts'
import type { Signer } from '../signing.ts'
import type { Grant, Tokens } from './token.ts'

/** Settings for the answers on the consent page. */
export interface Consent {
  /** Gives consent at once without a page, for the mailbox of `login_hint`, else for the first. */
  auto: boolean
}

interface Asked {
  clientId: string
  redirectUri: string
  scope: string
  state: string | undefined
  challenge: string | undefined
  offline: boolean
  /** The request asks for consent again, which yields another refresh token. */
  recreated: boolean
}

interface Code extends Asked {
  address: string
  expiresAtMs: number
}

const CODE_LIFETIME_MS = 600_000
const ISSUER = 'https://accounts.google.com'
const PAGE = { title: 'Simulated Google account', action: '/o/oauth2/v2/auth' }

/**
 * Adds Google's OAuth endpoints: the authorization page (`/o/oauth2/v2/auth`, with PKCE), the token endpoint
 * for authorization codes and refresh tokens (`/token`), `/revoke`, and the certificates of signed tokens
 * (`/oauth2/v1/certs`, `/oauth2/v3/certs`).
 */
export function addOAuth(
  app: FastifyInstance,
  options: { tokens: Tokens; addresses: () => readonly string[]; signer: Signer; consent: Consent; now: () => number },
): void {
  const { tokens, addresses, signer, consent, now } = options
  const codes = new Map<string, Code>()
  const consented = new Set<string>()
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    async (_: unknown, body: string) => body,
  )

  app.get('/o/oauth2/v2/auth', async (request, reply) => {
    const query = new URL(request.url, 'http://localhost').searchParams
    const asked = readAsked(query)
    if ('wrong' in asked) return reply.code(400).type('text/html; charset=utf-8').send(errorPage(asked.wrong))
    const hint = query.get('login_hint')?.toLowerCase()
    const offered = addresses().filter(address => hint === undefined || address === hint)
    const auto = query.has('auto') || consent.auto
    if (query.has('deny')) return reply.redirect(backTo(asked, { error: 'access_denied' }))
    const approved = query.get('approve') ?? (auto ? offered[0] : undefined)
    if (approved === undefined)
      return reply
        .type('text/html; charset=utf-8')
        .send(consentPage(query, { ...PAGE, addresses: offered, scope: asked.scope }))
    if (!addresses().includes(approved))
      return reply.code(400).type('text/html; charset=utf-8').send(errorPage('unknown account'))
    const code = `4/0A${randomBytes(24).toString('base64url')}`
    codes.set(code, { ...asked, address: approved, expiresAtMs: now() + CODE_LIFETIME_MS })
    return reply.redirect(backTo(asked, { code, scope: asked.scope }))
  })

  app.post('/token', async (request, reply) => {
    const form = new URLSearchParams(String(request.body))
    const { code, body } = await grant(form)
    return reply.code(code).send(body)
  })

  app.post('/revoke', async (request, reply) => {
    const query = new URL(request.url, 'http://localhost').searchParams
    const token = query.get('token') ?? new URLSearchParams(String(request.body ?? '')).get('token') ?? ''
    if (tokens.revokeToken(token)) return {}
    return reply.code(400).send({ error: 'invalid_token', error_description: 'Token expired or revoked' })
  })

  const forAnHour = { 'cache-control': 'public, max-age=3600, must-revalidate' }
  app.get('/oauth2/v1/certs', async (_, reply) => reply.headers(forAnHour).send(await signer.certificates()))
  app.get('/oauth2/v3/certs', async (_, reply) => reply.headers(forAnHour).send(await signer.keys()))

  async function grant(form: URLSearchParams) {
    switch (form.get('grant_type')) {
      case 'refresh_token':
        return grantRefresh(form)
      case 'authorization_code':
        return grantCode(form)
      default:
        return refusal('unsupported_grant_type', 'Invalid grant_type')
    }
  }

  function grantRefresh(form: URLSearchParams) {
    const granted = tokens.readRefresh(form.get('refresh_token') ?? '')
    if (!granted) return refusal('invalid_grant', 'Token has been expired or revoked.')
    return granting({ ...granted, scope: form.get('scope') ?? granted.scope })
  }

  async function grantCode(form: URLSearchParams) {
    const given = form.get('code') ?? ''
    const code = codes.get(given)
    // A code is valid for one attempt, successful or not.
    codes.delete(given)
    if (!code || code.expiresAtMs <= now()) return refusal('invalid_grant', 'Malformed auth code.')
    if (form.get('client_id') !== code.clientId)
      return refusal('invalid_client', 'The OAuth client was not found.', 401)
    if (form.get('redirect_uri') !== code.redirectUri) return refusal('redirect_uri_mismatch', 'Bad Request')
    const verifier = form.get('code_verifier')
    if (code.challenge !== undefined && verifier === null) return refusal('invalid_grant', 'Missing code verifier.')
    if (code.challenge !== undefined && challengeOf(verifier ?? '') !== code.challenge)
      return refusal('invalid_grant', 'Invalid code verifier.')

    const granted = { address: code.address, scope: code.scope }
    const who = `${code.clientId} ${code.address}`
    const refreshing = code.offline && (code.recreated || !consented.has(who))
    consented.add(who)
    const identifying = code.scope.split(' ').includes('openid')
    return granting(granted, {
      ...(refreshing ? { refresh_token: tokens.refresh(granted) } : {}),
      ...(identifying ? { id_token: await signer.sign(identity(code)) } : {}),
    })
  }

  function granting(granted: Grant, more: object = {}) {
    const body = { access_token: tokens.access(granted), expires_in: tokens.lifetime(), ...more }
    return { code: 200, body: { ...body, scope: granted.scope, token_type: 'Bearer' } }
  }

  function identity({ address, clientId }: Code) {
    const seconds = Math.floor(now() / 1000)
    const subject = createHash('sha256').update(address).digest().readUIntBE(0, 6)
    const who = { sub: String(subject), email: address, email_verified: true }
    return { iss: ISSUER, aud: clientId, azp: clientId, ...who, iat: seconds, exp: seconds + tokens.lifetime() }
  }
}

function readAsked(query: URLSearchParams): Asked | { wrong: string } {
  const clientId = query.get('client_id')
  const redirectUri = query.get('redirect_uri')
  const scope = query.get('scope')
  if (!clientId || !redirectUri || !scope)
    return { wrong: 'invalid_request: client_id, redirect_uri and scope are required' }
  if (query.get('response_type') !== 'code') return { wrong: 'unsupported_response_type: response_type must be code' }
  if (!isRedirect(redirectUri))
    return { wrong: 'redirect_uri_mismatch: an address on this machine, or one with https, is required' }
  const challenge = query.get('code_challenge') ?? undefined
  if (challenge !== undefined && query.get('code_challenge_method') !== 'S256')
    return { wrong: 'invalid_request: code_challenge_method must be S256' }
  return {
    clientId,
    redirectUri,
    scope,
    state: query.get('state') ?? undefined,
    challenge,
    offline: query.get('access_type') === 'offline',
    recreated: (query.get('prompt') ?? '').split(' ').includes('consent'),
  }
}

function backTo({ redirectUri, state }: Asked, answer: Record<string, string>): string {
  const url = new URL(redirectUri)
  const all = { ...(state === undefined ? {} : { state }), ...answer }
  for (const [name, value] of Object.entries(all)) url.searchParams.set(name, value)
  return url.href
}

function refusal(error: string, description: string, code = 400) {
  return { code, body: { error, error_description: description } }
}
