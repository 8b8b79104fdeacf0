import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

/** A signer of pushes that serves its public key on loopback. */
export interface Google {
  audience: string
  serviceAccount: string
  certsUrl: string
  /** The Authorization header of a push. */
  bearer: string
  close(): void
}

const KID = 'bench'
const SECONDS = 3600

/** Starts a signer; its token lasts for an hour, like Google's. */
export async function startGoogle(): Promise<Google> {
  const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true })
  const keys = [{ ...(await exportJWK(publicKey)), kid: KID, alg: 'RS256', use: 'sig' }]
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const [audience, serviceAccount] = ['mailsluice-bench', 'gmail-push@simulated.iam.gserviceaccount.com']
  const iat = Math.floor(Date.now() / 1000)
  const claims = { iss: 'https://accounts.google.com', aud: audience, email: serviceAccount, email_verified: true }
  const token = await new SignJWT({ ...claims, iat, exp: iat + SECONDS })
    .setProtectedHeader({ alg: 'RS256', kid: KID, typ: 'JWT' })
    .sign(privateKey)
  return {
    audience,
    serviceAccount,
    certsUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/certs`,
    bearer: `Bearer ${token}`,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
