import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** The token endpoint's reaction: it grants, never answers, resets the connection, or answers this. */
export type Answering =
  | 'grants'
  | 'never'
  | 'hangs up'
  | { status: number; body: object | string; headers?: Record<string, string> }

/** Microsoft's sign-in on loopback, with single-use refresh tokens. */
export interface MicrosoftServer {
  url: string
  /** The secrets it issued, in order. */
  refreshTokens: string[]
  accessTokens: string[]
  codes: string[]
  /** The requests to the token endpoint, in order: path and form. */
  asked: { path: string; form: Record<string, string> }[]
  /** The requests with a refresh token. */
  refreshes(): number
  answering: Answering
  /** The lifetime of its access tokens. */
  lifeSeconds: number
  /** The default consenting user, and the granted scopes. */
  consents: { address: string; scope?: string; denied?: boolean; said?: string; withoutRefreshToken?: boolean }
  /** The client secret it requires; unset, clients are public. */
  clientSecret: string | undefined
  /** The owner of an access token; `application` for one of an app itself. */
  ownerOf(token: string): string | undefined
  /** Ends all grants of a mailbox, as its owner can. */
  revoke(address: string): void
  close(): Promise<void>
}

interface Reply {
  status: number
  headers?: Record<string, string>
  body: object | string
}

const SCOPES = 'Mail.Read User.Read profile openid email'

/** Starts the sign-in; it knows every mailbox, and `simulated:ADDRESS` is always a valid refresh token. */
export async function startMicrosoft(): Promise<MicrosoftServer> {
  const codes = new Map<string, { address: string; challenge: string; redirectUri: string; scope: string }>()
  const grants = new Map<string, string>()
  const owners = new Map<string, string>()
  const server = createServer((request, response) => void handle(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  const microsoft: MicrosoftServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    refreshTokens: [],
    accessTokens: [],
    codes: [],
    asked: [],
    refreshes: () => microsoft.asked.filter(({ form }) => form.grant_type === 'refresh_token').length,
    answering: 'grants',
    lifeSeconds: 3600,
    consents: { address: 'bo@example.com' },
    clientSecret: undefined,
    ownerOf: token => owners.get(token),
    revoke(address) {
      for (const [token, owner] of grants) if (owner === address) grants.delete(token)
    },
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return microsoft

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { pathname, searchParams } = new URL(request.url ?? '/', microsoft.url)
    if (pathname.endsWith('/oauth2/v2.0/authorize')) return send(response, consent(searchParams))
    if (!pathname.endsWith('/oauth2/v2.0/token')) return send(response, { status: 404, body: 'nothing is here' })
    const form = Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString()))
    microsoft.asked.push({ path: pathname, form })
    const { answering } = microsoft
    if (answering === 'never') return undefined
    if (answering === 'hangs up') return void response.destroy()
    return send(response, answering === 'grants' ? token(form) : answering)
  }

  function send(response: ServerResponse, { status, headers, body }: Reply): void {
    const isText = typeof body === 'string'
    response.writeHead(status, { 'content-type': isText ? 'text/html' : 'application/json', ...headers })
    response.end(isText ? body : JSON.stringify(body))
  }

  function consent(query: URLSearchParams): Reply {
    const back = new URL(query.get('redirect_uri') ?? '')
    back.searchParams.set('state', query.get('state') ?? '')
    if (microsoft.consents.denied) {
      back.searchParams.set('error', 'access_denied')
      back.searchParams.set('error_description', microsoft.consents.said ?? 'planted')
    } else {
      const code = `planted-code-${randomUUID()}`
      microsoft.codes.push(code)
      codes.set(code, {
        address: query.get('login_hint') ?? microsoft.consents.address,
        challenge: query.get('code_challenge_method') === 'S256' ? (query.get('code_challenge') ?? '') : '',
        redirectUri: query.get('redirect_uri') ?? '',
        scope: microsoft.consents.scope ?? SCOPES,
      })
      back.searchParams.set('code', code)
    }
    return { status: 302, headers: { location: back.href }, body: '' }
  }

  function token(form: Record<string, string>): Reply {
    if (form.client_secret !== microsoft.clientSecret) {
      return form.client_secret === undefined
        ? refused('invalid_client', 7_000_218)
        : refused('invalid_client', 7_000_215)
    }
    if (form.grant_type === 'client_credentials') return { status: 200, body: access('application') }
    if (form.grant_type === 'authorization_code') return exchange(form)
    const given = form.refresh_token ?? ''
    const address = grants.get(given) ?? /^simulated:(.+)/.exec(given)?.[1]
    if (address === undefined) return refused('invalid_grant', 700_082, given)
    grants.delete(given)
    return { status: 200, body: tokensFor(address, SCOPES) }
  }

  function exchange(form: Record<string, string>): Reply {
    const given = form.code ?? ''
    const code = codes.get(given)
    codes.delete(given)
    const proof = createHash('sha256')
      .update(form.code_verifier ?? '')
      .digest('base64url')
    if (!code || proof !== code.challenge || form.redirect_uri !== code.redirectUri) {
      return refused('invalid_grant', 70_008, given)
    }
    const { refresh_token, ...others } = tokensFor(code.address, code.scope)
    return { status: 200, body: microsoft.consents.withoutRefreshToken ? others : { ...others, refresh_token } }
  }

  function tokensFor(address: string, scope: string) {
    const refreshToken = `planted-refresh-${randomUUID()}`
    grants.set(refreshToken, address)
    microsoft.refreshTokens.push(refreshToken)
    const claims = { oid: `oid-${address}`, tid: 'tenant', sub: address, preferred_username: address, name: 'Planted' }
    return {
      ...access(address),
      scope,
      refresh_token: refreshToken,
      id_token: `${encoded({ alg: 'none' })}.${encoded(claims)}.planted`,
      client_info: encoded({ uid: claims.oid, utid: claims.tid }),
    }
  }

  function access(owner: string) {
    const accessToken = `planted-access-${randomUUID()}`
    microsoft.accessTokens.push(accessToken)
    owners.set(accessToken, owner)
    const life = microsoft.lifeSeconds
    return { token_type: 'Bearer', expires_in: life, ext_expires_in: life, access_token: accessToken }
  }
}

/** Builds a refusal with Microsoft's number. As Microsoft's do, it names user and secret; neither may be printed. */
export function refused(error: string, number: number, about = 'planted words'): Reply {
  const description = `AADSTS${number}: refused for planted@example.com, ${about}. Trace ID: planted`
  return {
    status: error === 'invalid_client' ? 401 : 400,
    body: {
      error,
      error_description: description,
      error_codes: [number],
      trace_id: 'planted',
      correlation_id: 'planted',
    },
  }
}

function encoded(claims: object): string {
  return Buffer.from(JSON.stringify(claims)).toString('base64url')
}
