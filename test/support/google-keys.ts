import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, exportSPKI, generateKeyPair, type JWTHeaderParameters, SignJWT } from 'jose'

/** The audience and the service account of the tests' pushes. */
export const AUDIENCE = 'https://mail.example.com/gmail/push'
export const SERVICE_ACCOUNT = 'gmail-push@project.iam.gserviceaccount.com'

/** A Google that signs tokens and publishes its public keys on loopback. */
export interface GoogleKeys {
  certsUrl: string
  /** The number of requests for its keys. */
  asked(): number
  /** A token as Pub/Sub sends it, with changed claims (`undefined` omits one), a changed header, or an unpublished signing key. */
  token(change?: Change): Promise<string>
  /** The same token, signed by HMAC with the published key as secret. */
  hmacToken(): Promise<string>
  close(): Promise<void>
}

interface Change {
  claims?: Record<string, unknown>
  header?: Partial<JWTHeaderParameters>
  key?: 'published' | 'another'
}

const KID = 'key-1'

/** Starts the key server. */
export async function startGoogleKeys(): Promise<GoogleKeys> {
  const published = await generateKeyPair('RS256', { extractable: true })
  const another = await generateKeyPair('RS256')
  const jwk = { ...(await exportJWK(published.publicKey)), kid: KID, alg: 'RS256', use: 'sig' }
  let asked = 0
  const server = createServer((_, response) => {
    asked += 1
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [jwk] }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')

  return {
    certsUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/oauth2/v3/certs`,
    asked: () => asked,
    token({ claims = {}, header = {}, key = 'published' } = {}) {
      const said = JSON.parse(JSON.stringify({ ...ordinaryClaims(), ...claims })) as Record<string, unknown>
      const pair = key === 'published' ? published : another
      return new SignJWT(said)
        .setProtectedHeader({ alg: 'RS256', kid: KID, typ: 'JWT', ...header })
        .sign(pair.privateKey)
    },
    async hmacToken() {
      const text = [{ alg: 'HS256', kid: KID, typ: 'JWT' }, ordinaryClaims()].map(encoded).join('.')
      const secret = await exportSPKI(published.publicKey)
      return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
    },
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Builds a token that claims to need no signature. */
export function unsignedToken(): string {
  return `${[{ alg: 'none', kid: KID, typ: 'JWT' }, ordinaryClaims()].map(encoded).join('.')}.`
}

function ordinaryClaims() {
  const now = Math.floor(Date.now() / 1000)
  return {
    iss: 'https://accounts.google.com',
    aud: AUDIENCE,
    sub: '117',
    email: SERVICE_ACCOUNT,
    email_verified: true,
    iat: now,
    exp: now + 3600,
  }
}

function encoded(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}
