import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import type { MailboxId } from '../mailbox.ts'

/**
 * The sources of clientState keys: a secret of their own, else the sealing keys of accounts, newest first.
 */
export interface ClientStateSecrets {
  secret?: string | undefined
  sealingKeys: readonly { key: Buffer }[]
}

const KEY_BYTES = 32
// Each key has one use: a key derived for clientStates reveals nothing about the sealing key.
const USE = 'mailsluice outlook clientState'

/**
 * Derives the keys for clientStates. The first signs new ones, and all are accepted. Empty if nothing is set.
 */
export function clientStateKeys({ secret, sealingKeys }: ClientStateSecrets): Buffer[] {
  if (secret !== undefined) return [derived(Buffer.from(secret))]
  return sealingKeys.map(({ key }) => derived(key))
}

/**
 * Returns the clientState that Graph sends with each notification of a mailbox and that proves its origin. It
 * has 43 characters, unforgeable without the key; 128 are allowed
 * (learn.microsoft.com/graph/api/resources/subscription).
 */
export function clientStateOf(key: Buffer, mailbox: MailboxId): string {
  return createHmac('sha256', key).update(mailbox).digest('base64url')
}

/** Whether a clientState belongs to this mailbox under any of the keys. Runs in constant time. */
export function isClientState(keys: readonly Buffer[], mailbox: MailboxId, given: string): boolean {
  return clientStateCheck(keys, mailbox)(given)
}

/**
 * Prepares the same check for many clientStates of one mailbox. After the first, each check costs only a
 * comparison.
 */
export function clientStateCheck(keys: readonly Buffer[], mailbox: MailboxId): (given: string) => boolean {
  const own = keys.map(key => Buffer.from(clientStateOf(key, mailbox)))
  return given => {
    const bytes = Buffer.from(given)
    return own.filter(state => state.length === bytes.length && timingSafeEqual(state, bytes)).length > 0
  }
}

function derived(from: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', from, Buffer.alloc(0), USE, KEY_BYTES))
}
