import type { HttpsProxyAgent } from 'https-proxy-agent'
import type { Response } from 'node-fetch'
import { MailError } from '../error.ts'

/** Returns a URL with an address in place of its host. The request must name the host itself, which TLS then expects in the certificate. */
export function withAddress(url: URL, { address, family }: { address: string; family: number }): URL {
  const changed = new URL(url)
  changed.hostname = family === 6 ? `[${address}]` : address
  return changed
}

/**
 * Sends one request through a proxy's tunnel. Throws `unavailable` if the proxy opens none: the agent returns the proxy's answer as if the
 * receiver had sent it.
 */
export async function throughTunnel(agent: HttpsProxyAgent<string>, send: () => Promise<Response>): Promise<Response> {
  let status = 200
  agent.once('proxyConnect', (connected: { statusCode: number }) => {
    status = connected.statusCode
  })
  const answer = await send()
  if (status === 200) return answer
  answer.body?.resume()
  throw new MailError('unavailable', `the proxy answered ${status} instead of opening a tunnel to the checked address`)
}
