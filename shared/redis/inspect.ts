import type { Redis } from 'ioredis'
import type { MailboxId } from '../mailbox.ts'
import type { Keys, Partition } from './keys.ts'
import { inspectScript } from './scripts.ts'

/** The state of a partition's mailboxes and runs, as one script saw it. */
export interface Sight {
  mailboxes: readonly MailboxSight[]
  /** Runs that are not over, or owe a thread. */
  runs: readonly RunSight[]
  /** How many runs the index has. */
  indexed: number
}

/** A mailbox in its partition's index. */
export interface MailboxSight {
  mailbox: MailboxId
  /** Its record exists. */
  isRecorded: boolean
  activeRun: string | undefined
  /** The marks of pending work to list, where no run is active; '' for none. */
  marks: string
  subscription: string | undefined
  /** How many messages its thread index has. */
  indexed: number
  synced: boolean
  /** Its work is parked although nothing blocks it. */
  isStray: boolean
}

/** A run that is not over. */
export interface RunSight {
  run: string
  mailbox: MailboxId
  /** Changes with every change to the run. */
  revision: string
  /** The run ended and only owes threads. */
  isOver: boolean
}

type Box = [string, string, string, string, string, number, string, string]

/** Inspects a partition for stalled work with one command; changes nothing. */
export async function inspectPartition(redis: Redis, keys: Keys, partition: Partition): Promise<Sight> {
  const touched = [keys.mailboxes(partition), keys.runs(partition), keys.delay(partition, 'list-ids')]
  const answer = await inspectScript(redis, touched, [keys.head(partition)])
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
