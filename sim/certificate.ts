import { type KeyObject, sign } from 'node:crypto'

const SHA256_WITH_RSA = '2a864886f70d01010b'
const COMMON_NAME = '550403'

/**
 * Returns a self-signed X.509 certificate in PEM for an RSA key, valid between two times (ms since 1970).
 * Google publishes its keys in this form.
 */
export function selfSigned(
  keys: { publicKey: KeyObject; privateKey: KeyObject },
  { name, fromMs, untilMs }: { name: string; fromMs: number; untilMs: number },
): string {
  const algorithm = sequence(identifier(SHA256_WITH_RSA), element(0x05))
  const who = sequence(element(0x31, sequence(identifier(COMMON_NAME), element(0x0c, Buffer.from(name)))))
  const toBeSigned = sequence(
    element(0xa0, element(0x02, Buffer.of(2))),
    element(0x02, Buffer.of(1)),
    algorithm,
    who,
    sequence(time(fromMs), time(untilMs)),
    who,
    keys.publicKey.export({ type: 'spki', format: 'der' }),
  )
  const signature = sign('sha256', toBeSigned, keys.privateKey)
  const certificate = sequence(toBeSigned, algorithm, element(0x03, Buffer.of(0), signature))
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}

// DER: a tag, the length of the content, and the content.
function element(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents)
  return Buffer.concat([Buffer.of(tag), lengthOf(content), content])
}

function lengthOf({ length }: Buffer): Buffer {
  if (length < 0x80) return Buffer.of(length)
  return length < 0x100 ? Buffer.of(0x81, length) : Buffer.of(0x82, length >> 8, length & 0xff)
}

function sequence(...contents: readonly Buffer[]): Buffer {
  return element(0x30, ...contents)
}

function identifier(hex: string): Buffer {
  return element(0x06, Buffer.from(hex, 'hex'))
}

function time(ms: number): Buffer {
  // UTCTime has a two-digit year; RFC 5280 requires it for dates before 2050.
  const digits = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '')
  return element(0x17, Buffer.from(digits.slice(2)))
}
