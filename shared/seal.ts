import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { MailError } from './error.ts'
import type { MailboxId } from './mailbox.ts'

/** A sealing key: 32 bytes, and the version by which sealed values name it. */
export interface SealingKey {
  version: string
  key: Buffer
}

/** The mailbox, name and issuer of a secret. A sealed value opens only in the place it was sealed for. */
export interface SecretPlace {
  mailbox: MailboxId
  name: string
  /** The only party the secret may be sent to; absent in values that were sealed before secrets were bound to an issuer. */
  issuer?: string | undefined
}

/** Seals texts with AES-256-GCM. Its errors name the mailbox and the key version, never a secret. */
export interface Seal {
  /** Seals the text with the first key. Throws `misconfigured` where there is no key. */
  seal(text: string, place: SecretPlace): string
  /**
   * Opens a value that was sealed for this place. Throws `misconfigured` where the key is missing or wrong, or the value was changed or
   * moved.
   */
  open(sealed: string, place: SecretPlace): string
  /** Returns whether a value is sealed with the first key. */
  isCurrent(sealed: string): boolean
}

const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32
const IV_BYTES = 12
const TAG_BYTES = 16

/**
 * Parses `MAILBOXES_KEY`: one key of 32 bytes in base64, which is version v1, or several as `v2:…,v1:…`, of which the first seals and all
 * open. Returns `undefined` for anything else.
 */
export function parseSealingKeys(text: string): SealingKey[] | undefined {
  const keys = text.split(',').flatMap(part => {
    const match = /^\s*(?:(v[1-9]\d{0,5}):)?([A-Za-z0-9+/_-]{43}=?)\s*$/.exec(part)
    const key = Buffer.from(match?.[2] ?? '', 'base64')
    return key.length === KEY_BYTES ? [{ version: match?.[1] ?? 'v1', key }] : []
  })
  const versions = new Set(keys.map(({ version }) => version))
  return keys.length === text.split(',').length && versions.size === keys.length ? keys : undefined
}

/** Creates a seal with these keys; without keys it can neither open nor seal. */
export function createSeal(keys: readonly SealingKey[]): Seal {
  const [first] = keys
  return {
    seal(text, place) {
      if (!first)
        throw new MailError(
          'misconfigured',
          `the account of ${place.mailbox} cannot be stored: set MAILBOXES_KEY to a key of your own, such as \`openssl rand -base64 32\` prints`,
        )
      const iv = randomBytes(IV_BYTES)
      const cipher = createCipheriv(CIPHER, first.key, iv).setAAD(bound(first.version, place))
      const sealed = Buffer.concat([iv, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
      return `${first.version}.${sealed.toString('base64url')}`
    },

    open(sealed, place) {
      const { mailbox } = place
      const version = versionOf(sealed)
      const found = keys.find(key => key.version === version)
      if (!found) {
        const remedy =
          keys.length === 0
            ? 'MAILBOXES_KEY is not set: set it'
            : `MAILBOXES_KEY does not hold ${version}: add it as ${version}:KEY`
        throw new MailError(
          'misconfigured',
          `the account of ${mailbox} is sealed with key ${version}, and ${remedy}, or connect the mailbox again`,
        )
      }
      try {
        const bytes = Buffer.from(sealed.slice(version.length + 1), 'base64url')
        const decipher = createDecipheriv(CIPHER, found.key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES })
          .setAAD(bound(version, place))
          .setAuthTag(bytes.subarray(-TAG_BYTES))
        return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]).toString('utf8')
      } catch {
        throw new MailError(
          'misconfigured',
          `the account of ${mailbox} does not open with key ${version} of MAILBOXES_KEY: the key differs from the one that sealed it, or the value was changed or moved; correct the key, or connect the mailbox again`,
        )
      }
    },

    isCurrent: sealed => versionOf(sealed) === first?.version,
  }
}

// A value that is moved to another mailbox, name or issuer must not open there.
function bound(version: string, { mailbox, name, issuer }: SecretPlace): Buffer {
  return Buffer.from(JSON.stringify(['mailsluice', version, mailbox, name, ...(issuer === undefined ? [] : [issuer])]))
}

function versionOf(sealed: string): string {
  return /^(v\d{1,6})\./.exec(sealed)?.[1] ?? 'v?'
}
