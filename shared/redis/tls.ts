import { MailError } from '../error.ts'

/** How the TLS of a Redis is verified: by the authorities in `ca` (PEM) alone where given, and not at all with `insecure`. */
export interface RedisTls {
  ca?: string | undefined
  insecure?: boolean
}

const WRONG_NAME = 'ERR_TLS_CERT_ALTNAME_INVALID'
const UNKNOWN_SIGNER =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT(_LOCALLY)?|CERT_UNTRUSTED|CERT_SIGNATURE_FAILURE)$/
const ANY = 'REDIS_TLS_INSECURE=1 to accept any (Heroku needs it)'

/** Returns the client's TLS options for an address; none where the address asks for no TLS. */
export function tlsFor(url: string, { ca, insecure = false }: RedisTls = {}) {
  if (new URL(url).protocol !== 'rediss:') return {}
  return { tls: { ...(ca === undefined ? {} : { ca }), rejectUnauthorized: !insecure } }
}

/** Returns the TLS error of a server with a remedy; `undefined` for any other error. None of these errors ends without a fix. */
export function tlsTrouble(cause: unknown, place: string): MailError | undefined {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const message = sentence(code, place)
  return message === undefined ? undefined : new MailError('misconfigured', message, { cause })
}

function sentence(code: string, place: string): string | undefined {
  if (UNKNOWN_SIGNER.test(code))
    return `The certificate of ${place} is not signed by a trusted authority (${code}): set REDIS_TLS_CA to the certificate of its signer, or ${ANY}`
  if (code === WRONG_NAME)
    return `The certificate of ${place} is for another name (${code}): correct REDIS_URL, or set ${ANY}`
  if (/^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/.test(code))
    return `The certificate of ${place} is not valid today (${code}): renew it, set the clocks, or set ${ANY}`
  if (/^ERR_SSL_|^EPROTO$/.test(code))
    return `${place} has no compatible TLS (${code}): correct REDIS_URL, with redis:// for a server without TLS`
  if (/^ERR_OSSL_|^ERR_CRYPTO/.test(code)) return `REDIS_TLS_CA holds no readable certificate (${code}): correct it`
  return undefined
}
