import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  errors,
  type FetchImplementation,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose'
import { MailError } from '../../shared/error.ts'
import type { Http } from '../../shared/http/exchange.ts'
import { MACHINE, type Machine } from '../../shared/machine.ts'

/** The identity of genuine pushes: the signing keys, the audience, and the service account. */
export interface PushTrust {
  audience: string
  serviceAccount: string
  /** The URL of Google's public keys, a JSON Web Key Set. */
  certsUrl: string
  http: Http
  machine?: Machine
}

/**
 * Checks an Authorization header. Throws `unauthorized` with the reason and without the token, or `unavailable` without keys. With
 * `cachedKeysOnly` it requests no keys and uses the cached ones.
 */
export type Verify = (authorization: string | undefined, options?: { cachedKeysOnly?: boolean }) => Promise<void>

// developers.google.com/identity/openid-connect/openid-connect#validatinganidtoken
const ISSUERS = ['https://accounts.google.com', 'accounts.google.com']
const CLOCK_TOLERANCE_SECONDS = 60
// Google's tokens live for an hour; an age limit also makes jose refuse tokens issued in the future.
const OLDEST_SECONDS = 2 * 3600
// Well below the cache time that Google allows (about six hours). An unknown key triggers a refresh at once, at most every half minute.
const CACHE_KEYS_MS = 3_600_000
// While the keys are unavailable, they are requested at most this often, regardless of the number of tokens.
const RETRY_KEYS_MS = 250
// Google's set has about two thousand bytes.
const MAX_KEYS_BYTES = 1 << 20
// Google's tokens have about one kilobyte.
const MAX_TOKEN_LENGTH = 8192

/** Creates a check that requires an RS256 signature by Google's keys and every claim that distinguishes pushes from Google's other tokens. */
export function createVerify({ audience, serviceAccount, certsUrl, http, machine = MACHINE }: PushTrust): Verify {
  const fetchKeys = throttledFetch(http, machine)
  const remote = createRemoteJWKSet(new URL(certsUrl), { cacheMaxAge: CACHE_KEYS_MS, [customFetch]: fetchKeys })
  const cachedKeys: JWTVerifyGetKey = async (header, token) =>
    createLocalJWKSet(remote.jwks() ?? { keys: [] })(header, token)

  return async (authorization, { cachedKeysOnly = false } = {}) => {
    if (authorization === undefined) throw refused('it carries no token')
    const token = bearerIn(authorization)
    if (token === undefined) throw refused('its Authorization header holds no bearer token')
    if (token.length > MAX_TOKEN_LENGTH) throw refused('its token is too long')
    const { payload } = await jwtVerify(token, cachedKeysOnly ? cachedKeys : remote, {
      algorithms: ['RS256'],
      issuer: ISSUERS,
      audience,
      requiredClaims: ['exp'],
      maxTokenAge: OLDEST_SECONDS,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      currentDate: new Date(machine.date()),
    }).catch(error => {
      throw asVerifyError(error)
    })
    checkSender(payload, serviceAccount)
  }
}

function bearerIn(authorization: string): string | undefined {
  const [scheme = '', token = '', ...more] = authorization.split(' ').filter(word => word !== '')
  return scheme.toLowerCase() === 'bearer' && token !== '' && more.length === 0 ? token : undefined
}

// The library requests the keys again for each token while requests fail.
function throttledFetch(http: Http, { elapsed }: Machine): FetchImplementation {
  let failed: { at: number; error: unknown } | undefined
  return async (url, options) => {
    if (failed && elapsed() - failed.at < RETRY_KEYS_MS) throw failed.error
    try {
      const answer = await fetchKeys(http, url, options)
      failed = undefined
      return answer
    } catch (error) {
      failed = { at: elapsed(), error }
      throw error
    }
  }
}

// Any answer but 200 counts as a failure.
async function fetchKeys(http: Http, url: string, { signal }: { signal: AbortSignal }): Promise<Response> {
  const answer = await http.exchange(url, { signal, mostBytes: MAX_KEYS_BYTES })
  return new Response(answer.status === 200 ? await answer.text() : null, { status: answer.status === 200 ? 200 : 502 })
}

// Any service account of any project can have Google sign a token for our audience.
function checkSender({ email, email_verified: isVerified }: JWTPayload, serviceAccount: string): void {
  if (email !== serviceAccount) throw refused('its token is not from GMAIL_PUSH_SERVICE_ACCOUNT')
  if (isVerified !== true) throw refused('the e-mail address in its token is not verified')
}

function asVerifyError(error: unknown): MailError {
  if (isKeyFailure(error))
    return new MailError('unavailable', `Google's public keys are unavailable (${codeOf(error)})`)
  if (error instanceof errors.JWTExpired) return refused('its token has expired')
  if (error instanceof errors.JWTClaimValidationFailed)
    return refused(`the claim ${error.claim} of its token is ${error.reason === 'missing' ? 'missing' : 'wrong'}`)
  if (error instanceof errors.JWSSignatureVerificationFailed) return refused('the signature of its token is wrong')
  if (error instanceof errors.JWKSNoMatchingKey) return refused('its token is signed with an unknown key')
  if (error instanceof errors.JOSEAlgNotAllowed) return refused('its token is not signed with RS256')
  return refused(`its token cannot be read (${codeOf(error)})`)
}

// Every other error is caused by the token.
function isKeyFailure(error: unknown): boolean {
  if (!(error instanceof errors.JOSEError)) return true
  return error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid || error.code === 'ERR_JOSE_GENERIC'
}

// Only codes are reported: the library's errors contain claims of the token.
function codeOf(error: unknown): string {
  const { code, cause } = error as NodeJS.ErrnoException & { cause?: NodeJS.ErrnoException }
  return code ?? cause?.code ?? 'no answer'
}

function refused(why: string): MailError {
  return new MailError('unauthorized', why)
}
