import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import type { MailboxId } from '../mailbox.ts'

/** What the clientStates of mailboxes are made with: a secret of their own, else the keys that accounts are sealed with, newest first. */
export interface ClientStateSecrets {
  secret?: string | undefined
  sealingKeys: readonly { key: Buffer }[]
}

const KEY_BYTES = 32
// A key has one use: what is derived for this one tells nothing of the key that accounts are sealed with.
const USE = 'mailsluice outlook clientState'

/** The keys for clientStates, of which the first makes them and all are accepted; none where nothing is set. */
export function clientStateKeys({ secret, sealingKeys }: ClientStateSecrets): Buffer[] {
  if (secret !== undefined) return [derived(Buffer.from(secret))]
  return sealingKeys.map(({ key }) => derived(key))
}

/**
 * What Graph is to send with each notification of a mailbox, so that it can be told from anybody's: 43 characters that nobody can
 * make up without the key, of 128 allowed (learn.microsoft.com/graph/api/resources/subscription).
 */
export function clientStateOf(key: Buffer, mailbox: MailboxId): string {
  return createHmac('sha256', key).update(mailbox).digest('base64url')
}

/** Whether a clientState is this mailbox's, by any of the keys; how long it takes tells nothing of where it differs. */
export function isClientState(keys: readonly Buffer[], mailbox: MailboxId, given: string): boolean {
  return clientStateCheck(keys, mailbox)(given)
}

/** The same check for any number of clientStates that are said to be one mailbox's: each but the first costs a comparison alone. */
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
