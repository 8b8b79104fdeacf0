import { unauthenticated } from './error.ts'

const VALID_SECONDS = 3600
const REFRESH_PREFIX = 'simulated:'
const ACCESS_PREFIX = 'ya29.simulated-'

/** Answers an OAuth refresh_token grant: the refresh token `simulated:<address>` of a known mailbox gets an access token valid for an hour. */
export function grantToken(form: URLSearchParams, options: { known: (address: string) => boolean; nowMs: number }) {
  const refreshToken = form.get('refresh_token') ?? ''
  const address = refreshToken.slice(REFRESH_PREFIX.length).toLowerCase()
  if (form.get('grant_type') !== 'refresh_token') {
    return { code: 400, body: { error: 'unsupported_grant_type', error_description: 'Invalid grant_type' } }
  }
  if (!refreshToken.startsWith(REFRESH_PREFIX) || !options.known(address)) {
    return { code: 400, body: { error: 'invalid_grant', error_description: 'Token has been expired or revoked.' } }
  }
  return {
    code: 200,
    body: {
      access_token: accessToken(address, options.nowMs + VALID_SECONDS * 1000),
      expires_in: VALID_SECONDS,
      scope: 'https://www.googleapis.com/auth/gmail.readonly',
      token_type: 'Bearer',
    },
  }
}

/** The address an Authorization header speaks for; throws a 401 where it is missing, made up or expired. */
export function tokenAddress(authorization: string | undefined, nowMs: number): string {
  const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
  if (token === undefined) throw unauthenticated(false)
  const text = token.startsWith(ACCESS_PREFIX)
    ? Buffer.from(token.slice(ACCESS_PREFIX.length), 'base64url').toString()
    : ''
  const match = /^(\d+) (\S+)$/.exec(text)
  if (!match || Number(match[1]) <= nowMs) throw unauthenticated(true)
  return match[2] ?? ''
}

// The token itself says whose it is and until when: it outlives a restart of the simulator, as a real one would.
function accessToken(address: string, expiresAtMs: number): string {
  return ACCESS_PREFIX + Buffer.from(`${expiresAtMs} ${address}`).toString('base64url')
}
