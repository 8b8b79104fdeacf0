import type { FastifyInstance } from 'fastify'
import { challengeOf } from '../pkce.ts'
import type { Signer } from '../signing.ts'
import { type AadError, aadAnswer, isRefusal, refusal } from './aad-error.ts'
import { addAuthorize, type Code, type GraphConsent, subjectOf } from './authorize.ts'
import type { countCalls } from './calls.ts'
import { addDiscovery, ISSUER, isAlias, TENANT_ID } from './discovery.ts'
import { asksFor, permissionsIn, scopeAnswered, within } from './grant.ts'
import { idsOf } from './ids.ts'
import type { PersonalGrant, RefreshProblem, Tokens } from './token.ts'

interface Options {
  tokens: Tokens
  addresses: () => readonly string[]
  signer: Signer
  consent: GraphConsent
  calls: ReturnType<typeof countCalls>
  now: () => number
}

// Permissions that an administrator granted.
const APPLICATION_PERMISSIONS = ['Mail.ReadWrite', 'User.Read.All']

const DEAD: Record<RefreshProblem, AadError> = {
  malformed: refusal(9002313, 'Invalid request. Request is malformed or invalid.'),
  spent: refusal(70000, "Provided value for the input parameter 'refresh_token' is not valid."),
  expired: refusal(700082, 'The refresh token has expired due to inactivity. It was inactive for 90.00:00:00.'),
  revoked: refusal(
    50173,
    'The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password.',
  ),
}

/**
 * Adds the Microsoft identity platform: its discovery, the authorization page, and the token endpoint,
 * `/{tenant}/oauth2/v2.0/token`.
 */
export function addOAuth(app: FastifyInstance, options: Options): void {
  const { tokens, signer, consent, calls, now } = options
  const codes = new Map<string, Code>()
  const redeemed = new Set<string>()
  addDiscovery(app, { signer })
  addAuthorize(app, { ...options, issued: (code, what) => codes.set(code, what) })
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    async (_: unknown, body: string) => new URLSearchParams(body),
  )

  app.post('/:tenant/oauth2/v2.0/token', async (request, reply) => {
    calls.note('token')
    const { tenant = '' } = request.params as Record<string, string | undefined>
    const form = request.body instanceof URLSearchParams ? request.body : new URLSearchParams()
    const answer = await granted(form, tenant)
    if (!isRefusal(answer)) return reply.header('cache-control', 'no-store, no-cache').send(answer)
    const { status, body } = aadAnswer(answer, now())
    return reply.code(status).send(body)
  })

  async function granted(form: URLSearchParams, tenant: string): Promise<object | AadError> {
    if (!form.get('client_id')) return missing('client_id')
    const secret = form.get('client_secret')
    if (consent.clientSecret !== undefined && secret !== null && secret !== consent.clientSecret)
      return refusal(
        7000215,
        'Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID.',
        'invalid_client',
      )
    switch (form.get('grant_type')) {
      case 'refresh_token':
        return grantRefresh(form)
      case 'authorization_code':
        return grantCode(form)
      case 'client_credentials':
        return grantApplication(form, tenant)
      default:
        return refusal(70003, 'The app requested an unsupported grant type.', 'unsupported_grant_type')
    }
  }

  function grantRefresh(form: URLSearchParams) {
    const given = form.get('refresh_token') ?? ''
    const grant = tokens.readRefresh(given)
    if (typeof grant === 'string') return DEAD[grant]
    tokens.spend(given)
    return granting(grant, { form, scope: form.get('scope') ?? '', nonce: undefined })
  }

  function grantCode(form: URLSearchParams) {
    const given = form.get('code') ?? ''
    const code = codes.get(given)
    // A code is valid for one attempt, successful or not.
    codes.delete(given)
    if (redeemed.has(given)) return refusal(54005, 'OAuth2 Authorization code was already redeemed.')
    if (!code || code.expiresAtMs <= now())
      return refusal(
        70008,
        'The provided authorization code or refresh token has expired. Send a new interactive authorization request.',
      )
    if (form.get('client_id') !== code.clientId)
      return refusal(700005, 'Provided Authorization Code is intended to use against other application.')
    if (form.get('redirect_uri') !== code.redirectUri)
      return refusal(
        500112,
        "The reply address does not match the reply address 'redirect_uri' provided when requesting Authorization code.",
      )
    const verifier = form.get('code_verifier')
    if (code.challenge !== undefined && verifier === null) return missing('code_verifier')
    if (code.challenge !== undefined && challengeOf(verifier ?? '') !== code.challenge)
      return refusal(
        501481,
        'The Code_Verifier does not match the code_challenge supplied in the authorization request.',
      )
    redeemed.add(given)
    const { address, scope, nonce } = code
    return granting({ address, scopes: permissionsIn(scope) }, { form, scope, nonce })
  }

  function grantApplication(form: URLSearchParams, tenant: string) {
    if (isAlias(tenant))
      return refusal(
        50059,
        'No tenant-identifying information found in either the request or implied by any provided credentials.',
        'invalid_request',
      )
    if (!form.get('client_secret'))
      return refusal(
        7000216,
        "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
        'invalid_client',
      )
    if (!(form.get('scope') ?? '').endsWith('/.default'))
      return refusal(70011, 'The provided request must include a scope that ends in /.default.', 'invalid_request')
    return { ...lifetime(), access_token: tokens.access({ address: undefined, scopes: APPLICATION_PERMISSIONS }) }
  }

  async function granting(
    grant: PersonalGrant,
    { form, scope, nonce }: { form: URLSearchParams; scope: string; nonce: string | undefined },
  ) {
    const scopes = within(grant.scopes, scope)
    if ('number' in scopes) return scopes
    const clientId = form.get('client_id') ?? ''
    const plain = scope === ''
    return {
      ...lifetime(),
      scope: scopeAnswered(scope, scopes),
      access_token: tokens.access({ address: grant.address, scopes }),
      ...(plain || asksFor(scope, 'offline_access') ? { refresh_token: tokens.refresh(grant) } : {}),
      ...(asksFor(scope, 'openid') ? { id_token: await signer.sign(identity(grant, clientId, nonce)) } : {}),
      ...(form.has('client_info') ? { client_info: clientInfo(grant.address) } : {}),
    }
  }

  function lifetime() {
    return { token_type: 'Bearer', expires_in: tokens.lifetime(), ext_expires_in: tokens.lifetime() }
  }

  function identity({ address }: PersonalGrant, clientId: string, nonce: string | undefined) {
    const seconds = Math.floor(now() / 1000)
    return {
      aud: clientId,
      iss: ISSUER,
      iat: seconds,
      nbf: seconds,
      exp: seconds + tokens.lifetime(),
      name: address.split('@')[0],
      ...(nonce === undefined ? {} : { nonce }),
      oid: idsOf(address).user,
      preferred_username: address,
      sub: subjectOf(clientId, address),
      tid: TENANT_ID,
      ver: '2.0',
    }
  }
}

function clientInfo(address: string): string {
  return Buffer.from(JSON.stringify({ uid: idsOf(address).user, utid: TENANT_ID })).toString('base64url')
}

function missing(name: string): AadError {
  return refusal(900144, `The request body must contain the following parameter: '${name}'.`, 'invalid_request')
}
