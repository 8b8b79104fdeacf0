import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** The token endpoint's reaction to a refresh: it grants, never answers, or fails with this status. */
export type Refreshing = 'grants' | 'never' | { status: number; error: string }

/** Google's OAuth on loopback, in front of a Gmail simulator where one is named: it issues the tokens and forwards the rest. */
export interface OAuthServer {
  url: string
  /** The secrets it issued, in order. */
  refreshTokens: string[]
  accessTokens: string[]
  revoked: string[]
  /** Token requests with a refresh token, failed ones included. */
  refreshes: number
  /** The forms sent to its token endpoint. */
  asked: string[]
  /** The time of the last one, in ms since 1970, and the shortest interval between two. */
  refreshedAt: number
  shortestGapMs: number
  refreshing: Refreshing
  /** Every refresh issues another refresh token and invalidates the previous one. */
  rotates: boolean
  /** The lifetime of its access tokens. */
  lifeSeconds: number
  /** The default consenting user, and the granted scopes. */
  consents: { address: string; scope?: string; denied?: boolean; error?: string; withoutRefreshToken?: boolean }
  /** Issues a refresh token for a mailbox. */
  grant(address: string): string
  /** Ends all grants of a mailbox, as its owner can. */
  revoke(address: string): void
  close(): Promise<void>
}

interface Reply {
  status: number
  type?: string
  location?: string
  body: object | Buffer
}

interface Code {
  address: string
  challenge: string
  redirectUri: string
  scope: string
}

/** Starts the server; it knows every mailbox, and `simulated:ADDRESS` is valid for an unconnected one. */
export async function startOAuth(options: { simUrl?: string; address?: string } = {}): Promise<OAuthServer> {
  const codes = new Map<string, Code>()
  const grants = new Map<string, string>()
  const bearers = new Map<string, { address: string; endsAt: number }>()
  const server = createServer((request, response) => void handle(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  const oauth: OAuthServer = {
    url,
    refreshTokens: [],
    accessTokens: [],
    revoked: [],
    refreshes: 0,
    asked: [],
    refreshedAt: 0,
    shortestGapMs: Number.POSITIVE_INFINITY,
    refreshing: 'grants',
    rotates: false,
    lifeSeconds: 3600,
    consents: { address: options.address ?? 'ana@example.com' },
    grant(address) {
      const token = `planted-refresh-${randomUUID()}`
      grants.set(token, address)
      oauth.refreshTokens.push(token)
      return token
    },
    revoke(address) {
      for (const [token, owner] of grants) if (owner === address) grants.delete(token)
    },
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return oauth

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const content = Buffer.concat(chunks)
    const { pathname, searchParams } = new URL(request.url ?? '/', url)
    const form = new URLSearchParams(content.toString())
    const reply =
      pathname === '/o/oauth2/v2/auth'
        ? consent(searchParams)
        : pathname === '/token'
          ? token(form)
          : pathname === '/revoke'
            ? revoke(searchParams.get('token') ?? '')
            : await api(request, content)
    if (reply === 'never') return
    const { status, type = 'application/json', location, body } = reply
    response.writeHead(status, { 'content-type': type, ...(location === undefined ? {} : { location }) })
    response.end(Buffer.isBuffer(body) ? body : JSON.stringify(body))
  }

  function consent(query: URLSearchParams): Reply {
    const back = new URL(query.get('redirect_uri') ?? '')
    back.searchParams.set('state', query.get('state') ?? '')
    if (oauth.consents.denied) back.searchParams.set('error', oauth.consents.error ?? 'access_denied')
    else {
      const code = `planted-code-${randomUUID()}`
      codes.set(code, {
        address: oauth.consents.address,
        challenge: query.get('code_challenge_method') === 'S256' ? (query.get('code_challenge') ?? '') : '',
        redirectUri: query.get('redirect_uri') ?? '',
        scope: oauth.consents.scope ?? query.get('scope') ?? '',
      })
      back.searchParams.set('code', code)
    }
    return { status: 302, location: back.href, body: {} }
  }

  function token(form: URLSearchParams): Reply | 'never' {
    oauth.asked.push(form.toString())
    if (form.get('grant_type') === 'authorization_code') return exchange(form)
    oauth.refreshes += 1
    oauth.shortestGapMs = Math.min(oauth.shortestGapMs, Date.now() - oauth.refreshedAt)
    oauth.refreshedAt = Date.now()
    const { refreshing } = oauth
    if (refreshing === 'never') return 'never'
    if (refreshing !== 'grants') return { status: refreshing.status, body: { error: refreshing.error } }
    const given = form.get('refresh_token') ?? ''
    const address = grants.get(given) ?? /^simulated:(.+)/.exec(given)?.[1]
    if (address === undefined) return refused(given)
    if (!oauth.rotates) return { status: 200, body: access(address) }
    grants.delete(given)
    return { status: 200, body: { ...access(address), refresh_token: oauth.grant(address) } }
  }

  function exchange(form: URLSearchParams): Reply {
    const given = form.get('code') ?? ''
    const code = codes.get(given)
    codes.delete(given)
    const proof = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url')
    if (!code || proof !== code.challenge || form.get('redirect_uri') !== code.redirectUri) return refused(given)
    const refreshing = oauth.consents.withoutRefreshToken ? {} : { refresh_token: oauth.grant(code.address) }
    return { status: 200, body: { ...access(code.address), ...refreshing, scope: code.scope } }
  }

  function access(address: string) {
    const accessToken = `planted-access-${randomUUID()}`
    oauth.accessTokens.push(accessToken)
    bearers.set(accessToken, { address, endsAt: Date.now() + oauth.lifeSeconds * 1000 })
    return { access_token: accessToken, expires_in: oauth.lifeSeconds, token_type: 'Bearer' }
  }

  function revoke(given: string): Reply {
    const address = grants.get(given)
    if (address === undefined) return { status: 400, body: { error: 'invalid_token' } }
    oauth.revoked.push(given)
    oauth.revoke(address)
    return { status: 200, body: {} }
  }

  async function api(request: IncomingMessage, content: Buffer): Promise<Reply> {
    if (request.url?.startsWith('/control/')) return passOn(request, content, {})
    const held = bearers.get(request.headers.authorization?.replace('Bearer ', '') ?? '')
    if (!held || held.endsAt <= Date.now()) {
      return { status: 401, body: { error: { code: 401, message: 'no', status: 'UNAUTHENTICATED' } } }
    }
    if (options.simUrl === undefined) return { status: 200, body: { emailAddress: held.address, historyId: '7' } }
    return passOn(request, content, { authorization: `Bearer ${await simulatedToken(held.address)}` })
  }

  async function simulatedToken(address: string): Promise<string> {
    const form = { grant_type: 'refresh_token', refresh_token: `simulated:${address}` }
    const answer = await fetch(`${options.simUrl}/token`, { method: 'POST', body: new URLSearchParams(form) })
    return ((await answer.json()) as { access_token: string }).access_token
  }

  async function passOn(
    { method = 'GET', url: path = '/', headers }: IncomingMessage,
    content: Buffer,
    more: Record<string, string>,
  ): Promise<Reply> {
    const type = headers['content-type'] === undefined ? {} : { 'content-type': headers['content-type'] }
    const answer = await fetch(`${options.simUrl}${path}`, {
      method,
      headers: { ...type, ...more },
      ...(content.length > 0 ? { body: content } : {}),
    })
    const body = Buffer.from(await answer.arrayBuffer())
    return { status: answer.status, type: answer.headers.get('content-type') ?? 'text/plain', body }
  }
}

// Unlike Google, it quotes the request: none of it may be printed.
function refused(given: string): Reply {
  return { status: 400, body: { error: 'invalid_grant', error_description: given } }
}
