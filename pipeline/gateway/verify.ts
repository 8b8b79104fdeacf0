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
import { exchange } from '../../shared/http/exchange.ts'

/** Which pushes are Google's: signed with which keys, made out to whom, and by which service account. */
export interface PushTrust {
  audience: string
  serviceAccount: string
  /** Where Google's public keys are, as a JSON Web Key Set. */
  certsUrl: string
}

/**
 * Checks an Authorization header. Throws `unauthorized`, saying why and never repeating the token, or `unavailable` without keys. With
 * `keysAtHand` it asks for no keys, and goes by those that it has.
 */
export type Verify = (authorization: string | undefined, options?: { keysAtHand?: boolean }) => Promise<void>

// developers.google.com/identity/openid-connect/openid-connect#validatinganidtoken
const ISSUERS = ['https://accounts.google.com', 'accounts.google.com']
const CLOCK_TOLERANCE_SECONDS = 60
// Google's tokens live for an hour; asked for, the age has tokens of the future refused as well.
const OLDEST_SECONDS = 2 * 3600
// Well below what Google allows (about six hours); a key that is not known yet is looked for at once, every half minute at most.
const KEEP_KEYS_MS = 3_600_000
// While the keys cannot be had, they are asked for no more often than this, however many tokens come.
const ASK_AGAIN_MS = 250
// Google's set has some two thousand.
const LARGEST_KEYS_BYTES = 1 << 20
// Google's tokens have about a kilobyte.
const LONGEST_TOKEN = 8192

/** A check that holds pushes to RS256 signatures by Google's keys and to every claim that tells them from other tokens of Google's. */
export function createVerify({ audience, serviceAccount, certsUrl }: PushTrust): Verify {
  const remote = createRemoteJWKSet(new URL(certsUrl), { cacheMaxAge: KEEP_KEYS_MS, [customFetch]: pausing() })
  const atHand: JWTVerifyGetKey = async (header, token) =>
    createLocalJWKSet(remote.jwks() ?? { keys: [] })(header, token)

  return async (authorization, { keysAtHand = false } = {}) => {
    if (authorization === undefined) throw refused('it carries no token')
    const token = bearerIn(authorization)
    if (token === undefined) throw refused('its Authorization header holds no bearer token')
    if (token.length > LONGEST_TOKEN) throw refused('its token is too long')
    const { payload } = await jwtVerify(token, keysAtHand ? atHand : remote, {
      algorithms: ['RS256'],
      issuer: ISSUERS,
      audience,
      requiredClaims: ['exp'],
      maxTokenAge: OLDEST_SECONDS,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
    }).catch(error => {
      throw explained(error)
    })
    checkSender(payload, serviceAccount)
  }
}

function bearerIn(authorization: string): string | undefined {
  const [scheme = '', token = '', ...more] = authorization.split(' ').filter(word => word !== '')
  return scheme.toLowerCase() === 'bearer' && token !== '' && more.length === 0 ? token : undefined
}

// The library asks anew for each token as long as asking fails.
function pausing(): FetchImplementation {
  let failed: { at: number; error: unknown } | undefined
  return async (url, options) => {
    if (failed && performance.now() - failed.at < ASK_AGAIN_MS) throw failed.error
    try {
      const answer = await askForKeys(url, options)
      failed = undefined
      return answer
    } catch (error) {
      failed = { at: performance.now(), error }
      throw error
    }
  }
}

// A set of keys that is not given at once is none.
async function askForKeys(url: string, { signal }: { signal: AbortSignal }): Promise<Response> {
  const answer = await exchange(url, { signal, mostBytes: LARGEST_KEYS_BYTES })
  return new Response(answer.status === 200 ? await answer.text() : null, { status: answer.status === 200 ? 200 : 502 })
}

// Any service account of any project can have Google sign a token for our audience.
function checkSender({ email, email_verified: isVerified }: JWTPayload, serviceAccount: string): void {
  if (email !== serviceAccount) throw refused('its token is not of GMAIL_PUSH_SERVICE_ACCOUNT')
  if (isVerified !== true) throw refused('the e-mail address in its token is not verified')
}

function explained(error: unknown): MailError {
  if (isWithoutKeys(error)) return new MailError('unavailable', `Google's public keys cannot be had (${codeOf(error)})`)
  if (error instanceof errors.JWTExpired) return refused('its token has expired')
  if (error instanceof errors.JWTClaimValidationFailed)
    return refused(`the claim ${error.claim} of its token is ${error.reason === 'missing' ? 'missing' : 'wrong'}`)
  if (error instanceof errors.JWSSignatureVerificationFailed) return refused('the signature of its token is wrong')
  if (error instanceof errors.JWKSNoMatchingKey) return refused('its token is signed with an unknown key')
  if (error instanceof errors.JOSEAlgNotAllowed) return refused('its token is not signed with RS256')
  return refused(`its token cannot be read (${codeOf(error)})`)
}

// Everything else is the token's fault.
function isWithoutKeys(error: unknown): boolean {
  if (!(error instanceof errors.JOSEError)) return true
  return error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid || error.code === 'ERR_JOSE_GENERIC'
}

// Codes alone: the library's errors hold the token's claims.
function codeOf(error: unknown): string {
  const { code, cause } = error as NodeJS.ErrnoException & { cause?: NodeJS.ErrnoException }
  return code ?? cause?.code ?? 'no answer'
}

function refused(why: string): MailError {
  return new MailError('unauthorized', why)
}
