import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { MailError } from './error.ts'
import type { MailboxId } from './mailbox.ts'

/** A key that secrets are sealed with: 32 bytes, and the version that sealed values name it by. */
export interface SealingKey {
  version: string
  key: Buffer
}

/** Which secret of which mailbox, and who gave it. A sealed value opens in the place it was sealed for and in no other. */
export interface SecretPlace {
  mailbox: MailboxId
  name: string
  /** Whom alone the secret may be shown to; absent in what was sealed before secrets were bound to it. */
  issuer?: string | undefined
}

/** Seals texts with AES-256-GCM. Its errors name the mailbox and the key's version, and never a secret. */
export interface Seal {
  /** The text, sealed with the first key. Throws `misconfigured` where there is no key. */
  seal(text: string, place: SecretPlace): string
  /** The text that was sealed for this place. Throws `misconfigured` where the key is missing, or is not the one, or the value was changed or moved. */
  open(sealed: string, place: SecretPlace): string
  /** Whether it is sealed with the first key. */
  isCurrent(sealed: string): boolean
}

const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32
const IV_BYTES = 12
const TAG_BYTES = 16

/**
 * Reads `MAILBOXES_KEY`: one key of 32 bytes in base64, which is version v1, or several as `v2:…,v1:…`, of which the first seals and
 * all open. `undefined` when it is none of these.
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

/** A seal with these keys; without any it opens and seals nothing. */
export function createSeal(keys: readonly SealingKey[]): Seal {
  const [first] = keys
  return {
    seal(text, place) {
      if (!first)
        throw new MailError(
          'misconfigured',
          `the account of ${place.mailbox} cannot be kept: set MAILBOXES_KEY to a key of your own, such as \`openssl rand -base64 32\` prints`,
        )
      const iv = randomBytes(IV_BYTES)
      const cipher = createCipheriv(CIPHER, first.key, iv).setAAD(bound(first.version, place))
      const sealed = Buffer.concat([iv, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
      return `${first.version}.${sealed.toString('base64url')}`
    },

    open(sealed, place) {
      const { mailbox } = place
      const version = versionOf(sealed)
      const held = keys.find(key => key.version === version)
      if (!held) {
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
        const decipher = createDecipheriv(CIPHER, held.key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES })
          .setAAD(bound(version, place))
          .setAuthTag(bytes.subarray(-TAG_BYTES))
        return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]).toString('utf8')
      } catch {
        throw new MailError(
          'misconfigured',
          `the account of ${mailbox} does not open with key ${version} of MAILBOXES_KEY: that is another key than it was sealed with, or the value was changed or moved; correct the key, or connect the mailbox again`,
        )
      }
    },

    isCurrent: sealed => versionOf(sealed) === first?.version,
  }
}

// A value that is put in another's place, under another name, or beside another issuer must not open there.
function bound(version: string, { mailbox, name, issuer }: SecretPlace): Buffer {
  return Buffer.from(JSON.stringify(['mailsluice', version, mailbox, name, ...(issuer === undefined ? [] : [issuer])]))
}

function versionOf(sealed: string): string {
  return /^(v\d{1,6})\./.exec(sealed)?.[1] ?? 'v?'
}
