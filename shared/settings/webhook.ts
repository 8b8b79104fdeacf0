const PREFIX = 'whsec_'
const CREATE = `create one with: echo "${PREFIX}$(openssl rand -base64 32)"`
// The limits of Standard Webhooks 1.0.
const LEAST_BYTES = 24
const MOST_BYTES = 64
const LOCALHOST = /^(?:.*\.)?localhost\.?$/

/**
 * Returns what is wrong with the address of a webhook and how to mend it, without the address: its path may be a secret. `undefined` if
 * nothing is. Plain http and names of this machine need `allowPrivate`; the addresses of other names are checked when they are looked up.
 */
export function faultOfWebhookUrl(text: string, { allowPrivate }: { allowPrivate: boolean }): string | undefined {
  if (!URL.canParse(text)) return 'is no address; write it like https://app.example.com/hook'
  const { protocol, username, password, hostname } = new URL(text)
  if (protocol !== 'https:' && protocol !== 'http:') return 'must begin with https://'
  if (username !== '' || password !== '')
    return 'has a user name or a password; remove it, because the signature proves the sender'
  if (text.includes('#')) return 'has a fragment, which is never sent; remove the # and what follows it'
  if (allowPrivate) return undefined
  if (protocol === 'http:')
    return 'must begin with https://; plain http is for a receiver in your own network, with WEBHOOK_ALLOW_PRIVATE=1'
  if (LOCALHOST.test(hostname)) return 'is this machine; set WEBHOOK_ALLOW_PRIVATE=1 if the receiver runs on it'
  return undefined
}

/** Returns what is wrong with a secret of a webhook and how to mend it, without the secret; `undefined` if it has 24 to 64 bytes. */
export function faultOfWebhookSecret(text: string): string | undefined {
  if (!text.startsWith(PREFIX)) return `must begin with ${PREFIX}; ${CREATE}`
  const encoded = text.slice(PREFIX.length)
  const key = webhookKey(text)
  // Decoders differ about other notations, so that a receiver would get another key.
  if (key.toString('base64') !== encoded) return `must continue as base64 with its padding; ${CREATE}`
  if (key.length < LEAST_BYTES || key.length > MOST_BYTES)
    return `must hold ${LEAST_BYTES} to ${MOST_BYTES} bytes and holds ${key.length}; ${CREATE}`
  return undefined
}

/** Decodes the key of a secret that has no fault. */
export function webhookKey(secret: string): Buffer {
  return Buffer.from(secret.slice(PREFIX.length), 'base64')
}
