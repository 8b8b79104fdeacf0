import { createHash } from 'node:crypto'

/** Whether a program may be sent back there: with https, or on this machine. */
export function isRedirect(uri: string): boolean {
  if (!URL.canParse(uri)) return false
  const { protocol, hostname } = new URL(uri)
  return protocol === 'https:' || (protocol === 'http:' && ['127.0.0.1', 'localhost', '[::1]'].includes(hostname))
}

/** The S256 challenge of a verifier, as RFC 7636 has it. */
export function challengeOf(verifier: string): string {
  return createHash('sha256').update(verifier).digest('base64url')
}
