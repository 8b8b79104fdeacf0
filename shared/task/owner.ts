import { addressOf, type MailboxId } from '../mailbox.ts'
import type { Address, Message } from '../message.ts'

/** Returns whether an address is the owner's: the mailbox itself, or a sender of its sent mail. */
export type IsOwner = (person: Address) => boolean

/** Creates the test for the owner of a mailbox; messages with the label `SENT` show further addresses of the owner. */
export function ownerIn(mailbox: MailboxId, messages: readonly Message[]): IsOwner {
  const sent = messages.filter(({ labels }) => labels.includes('SENT')).flatMap(({ from }) => from)
  const own = new Set([addressOf(mailbox), ...sent.map(({ address }) => address)].map(plain))
  return ({ address }) => address !== '' && own.has(plain(address))
}

/** Returns whether the owner wrote one of these messages; drafts and automatic replies do not count. */
export function ownerWrote(messages: readonly Message[], isOwner: IsOwner): boolean {
  const written = messages.filter(one => !isDraft(one) && !one.isAutoReply)
  return written.some(({ labels, from }) => labels.includes('SENT') || from.some(isOwner))
}

/** Returns whether a message is a draft, which was never sent. */
export function isDraft({ labels }: Pick<Message, 'labels'>): boolean {
  return labels.includes('DRAFT')
}

// A tag after a plus sign names the same mailbox; so do dots at Gmail, under both of its names.
function plain(address: string): string {
  const [name = '', domain = ''] = address.toLowerCase().split('@')
  const [untagged = ''] = name.split('+')
  if (domain !== 'gmail.com' && domain !== 'googlemail.com') return `${untagged}@${domain}`
  return `${untagged.replaceAll('.', '')}@gmail.com`
}
