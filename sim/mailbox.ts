import { factsReader, type MailFacts } from './facts.ts'

/** One mail of a simulated mailbox: its facts, and its bytes on request. */
export interface SimMail extends MailFacts {
  /** Reads the complete mail as received, without mbox quoting, from its source each time. */
  read(): Promise<Buffer>
}

/**
 * A mailbox to simulate: the port that mbox files, folders and the demo implement. It never changes; position
 * 0 was delivered first.
 */
export interface SimMailbox {
  address: string
  size: number
  /** Returns the mail at a position from 0 to `size - 1`; throws RangeError beyond. */
  message(index: number): SimMail
}

/** A mail to add. Labels (Gmail's system ids, or user label names) and time come from the mail by default. */
export interface NewMail {
  raw: Buffer | string
  labels?: readonly string[] | undefined
  receivedAtMs?: number | undefined
}

/** Creates a mailbox in memory with the given mails in delivery order. */
export function memoryMailbox(address: string, mails: readonly NewMail[]): SimMailbox {
  const read = factsReader()
  const stored = mails.map(mail => memoryMail(mail, read))
  return { address, size: stored.length, message: index => mailAt(stored, index) }
}

/** Creates a mail in memory; `read` supplies the facts that `mail` omits. */
export function memoryMail(mail: NewMail, read: ReturnType<typeof factsReader>): SimMail {
  const bytes = Buffer.from(mail.raw)
  const facts = read(bytes, mail.receivedAtMs)
  return { ...facts, labels: mail.labels ?? facts.labels, read: async () => bytes }
}

/** Returns the mail at a position; throws RangeError if there is none. */
export function mailAt<Mail>(mails: readonly Mail[], index: number): Mail {
  const mail = mails[index]
  if (mail === undefined) throw new RangeError(`there is no mail at position ${index}; the mailbox has ${mails.length}`)
  return mail
}
