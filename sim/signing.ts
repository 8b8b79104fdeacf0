import { createHash, generateKeyPair, sign } from 'node:crypto'
import { promisify } from 'node:util'
import { selfSigned } from './certificate.ts'

/** Signs tokens like Google's accounts server, with its own RSA key, created on first use. */
export interface Signer {
  /** Returns a JSON Web Token with these claims, signed with RS256. */
  sign(claims: object): Promise<string>
  /** Returns certificates by key id: the answer of `/oauth2/v1/certs`. */
  certificates(): Promise<Readonly<Record<string, string>>>
  /** Returns keys in JWKS: the answer of `/oauth2/v3/certs`. */
  keys(): Promise<{ keys: readonly object[] }>
}

const KEY_BITS = 2048
const NAME = 'federated-signon.system.gserviceaccount.com'
const DAY_MS = 86_400_000
const VALID_DAYS = 16

/** Creates a signer without a key; `now` dates its certificate. */
export function createSigner(now: () => number): Signer {
  let made: ReturnType<typeof makeKey> | undefined
  const key = () => {
    made ??= makeKey(now())
    return made
  }

  return {
    async sign(claims) {
      const { id, privateKey } = await key()
      const signed = `${encode({ alg: 'RS256', kid: id, typ: 'JWT' })}.${encode(claims)}`
      return `${signed}.${sign('sha256', Buffer.from(signed), privateKey).toString('base64url')}`
    },
    async certificates() {
      const { id, certificate } = await key()
      return { [id]: certificate }
    },
    async keys() {
      const { id, publicKey } = await key()
      return { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: id, alg: 'RS256', use: 'sig' }] }
    },
  }
}

async function makeKey(nowMs: number) {
  const keys = await promisify(generateKeyPair)('rsa', { modulusLength: KEY_BITS })
  const der = keys.publicKey.export({ type: 'spki', format: 'der' })
  const id = createHash('sha1').update(der).digest('hex')
  const valid = { fromMs: nowMs - DAY_MS, untilMs: nowMs + VALID_DAYS * DAY_MS }
  return { ...keys, id, certificate: selfSigned(keys, { name: NAME, ...valid }) }
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}
