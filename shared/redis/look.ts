import type { Redis } from 'ioredis'
import type { MailboxId } from '../mailbox.ts'
import type { Keys, Partition } from './keys.ts'
import { lookScript } from './scripts.ts'

/** What a partition says of its mailboxes and runs, as one script saw it. */
export interface Sight {
  mailboxes: readonly MailboxSight[]
  /** Runs that are not over, or owe a thread. */
  runs: readonly RunSight[]
  /** How many runs the index has. */
  indexed: number
}

/** A mailbox that its partition names. */
export interface MailboxSight {
  mailbox: MailboxId
  /** Its record is there. */
  isRecorded: boolean
  activeRun: string | undefined
  /** What says that something of it is to be listed, where no run is active; '' for nothing. */
  marks: string
  subscription: string | undefined
  /** How many messages are in its index of threads. */
  indexed: number
  synced: boolean
  /** Work of it is parked, though it waits for nobody. */
  isStray: boolean
}

/** A run that is not over. */
export interface RunSight {
  run: string
  mailbox: MailboxId
  /** Changes whenever something happens to the run. */
  revision: string
  /** It came to its end, and only owes threads. */
  isOver: boolean
}

type Box = [string, string, string, string, string, number, string, string]

/** Looks a partition over for what may stand still, with one command; changes nothing. */
export async function lookOver(redis: Redis, keys: Keys, partition: Partition): Promise<Sight> {
  const touched = [keys.mailboxes(partition), keys.runs(partition), keys.delay(partition, 'list-ids')]
  const answer = await lookScript(redis, touched, [keys.head(partition)])
  const [boxes, runs, indexed] = answer as [Box[], [string, string, string, string][], number]
  return {
    mailboxes: boxes.map(([mailbox, isRecorded, activeRun, marks, subscription, threads, synced, isStray]) => ({
      mailbox: mailbox as MailboxId,
      isRecorded: isRecorded === '1',
      activeRun: activeRun || undefined,
      marks,
      subscription: subscription || undefined,
      indexed: threads,
      synced: synced === '1',
      isStray: isStray === '1',
    })),
    runs: runs.map(([run, mailbox, revision, isOver]) => ({
      run,
      mailbox: mailbox as MailboxId,
      revision,
      isOver: isOver === '1',
    })),
    indexed,
  }
}
