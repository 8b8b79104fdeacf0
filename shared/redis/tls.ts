import { MailError } from '../error.ts'

/** How a Redis with TLS is known: by the authorities in `ca` (PEM) and no others where it is there, and by nothing at all with `insecure`. */
export interface RedisTls {
  ca?: string | undefined
  insecure?: boolean
}

const WRONG_NAME = 'ERR_TLS_CERT_ALTNAME_INVALID'
const UNKNOWN_SIGNER =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT(_LOCALLY)?|CERT_UNTRUSTED|CERT_SIGNATURE_FAILURE)$/
const ANY = 'REDIS_TLS_INSECURE=1 to accept any (Heroku needs it)'

/** What the client is to be told of TLS, for this address; nothing where the address asks for none. */
export function tlsFor(url: string, { ca, insecure = false }: RedisTls = {}) {
  if (new URL(url).protocol !== 'rediss:') return {}
  return { tls: { ...(ca === undefined ? {} : { ca }), rejectUnauthorized: !insecure } }
}

/** What is wrong with the TLS of a server, and what helps; `undefined` for any other error. Nothing of it ends by itself. */
export function tlsTrouble(cause: unknown, place: string): MailError | undefined {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const message = sentence(code, place)
  return message === undefined ? undefined : new MailError('misconfigured', message, { cause })
}

function sentence(code: string, place: string): string | undefined {
  if (UNKNOWN_SIGNER.test(code))
    return `The certificate of ${place} is signed by nobody that is known here (${code}): set REDIS_TLS_CA to the certificate of who signed it, or ${ANY}`
  if (code === WRONG_NAME)
    return `The certificate of ${place} is made out to another name (${code}): correct REDIS_URL, or set ${ANY}`
  if (/^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/.test(code))
    return `The certificate of ${place} is not valid today (${code}): renew it, set the clocks, or set ${ANY}`
  if (/^ERR_SSL_|^EPROTO$/.test(code))
    return `${place} does not speak TLS as we do (${code}): correct REDIS_URL, redis:// where it speaks none`
  if (/^ERR_OSSL_|^ERR_CRYPTO/.test(code))
    return `REDIS_TLS_CA holds no certificate that can be read (${code}): correct it`
  return undefined
}
