import { factsReader, type MailFacts } from './facts.ts'

/** One mail of a simulated mailbox: what is known of it at once, and its bytes on request. */
export interface SimMail extends MailFacts {
  /** The whole mail as it was received, without any mbox quoting; read anew each time. */
  read(): Promise<Buffer>
}

/** A mailbox to simulate: the port that mbox files, folders and the demo fulfil. It never changes; position 0 was delivered first. */
export interface SimMailbox {
  address: string
  size: number
  /** The mail at a position from 0 to `size - 1`; throws RangeError beyond. */
  message(index: number): SimMail
}

/** A mail to put into a mailbox; labels (Gmail's system ids, or names of one's own) and time come from the mail where they are not given. */
export interface NewMail {
  raw: Buffer | string
  labels?: readonly string[] | undefined
  receivedAtMs?: number | undefined
}

/** A mailbox held in memory, with the given mails in delivery order. */
export function memoryMailbox(address: string, mails: readonly NewMail[]): SimMailbox {
  const read = factsReader()
  const stored = mails.map(mail => memoryMail(mail, read))
  return { address, size: stored.length, message: index => mailAt(stored, index) }
}

/** A mail held in memory; `read` supplies what `mail` itself leaves open. */
export function memoryMail(mail: NewMail, read: ReturnType<typeof factsReader>): SimMail {
  const bytes = Buffer.from(mail.raw)
  const facts = read(bytes, mail.receivedAtMs)
  return { ...facts, labels: mail.labels ?? facts.labels, read: async () => bytes }
}

/** The mail at a position; throws RangeError where there is none. */
export function mailAt<Mail>(mails: readonly Mail[], index: number): Mail {
  const mail = mails[index]
  if (mail === undefined)
    throw new RangeError(`there is no mail at position ${index}: the mailbox holds ${mails.length}`)
  return mail
}
