import { createHash } from 'node:crypto'
import type { Lane } from '../envelope.ts'
import { type MailboxId, type Provider, providerOf } from '../mailbox.ts'
import type { StageName } from '../stage.ts'

/** A partition such as `p03`. All keys of a mailbox carry their partition's hash tag, so that one script can touch them together. */
export type Partition = `p${string}`

/** Every Redis key of the project. Nothing else builds a key by hand. */
export interface Keys {
  partitions: readonly Partition[]
  partitionOf(mailbox: MailboxId): Partition
  /** Returns the partition whose hash tag a key carries. */
  partitionIn(key: string): Partition
  /** The prefix of a partition's keys; without a partition, a SCAN pattern that matches all prefixes. */
  head(partition?: Partition): string
  /** The lease of the active keeper. */
  keeper: string
  /** The number of partitions, which cannot change while there is data. */
  layout: string
  /** Raw notifications that any program may write. It is in no partition; its related keys share its slot. */
  intake: string
  intakeDead: string
  intakeDelay: string
  intakeMarks: string
  /** The mailbox of each provider subscription, by the subscription's id, which is all that a notification names. In no partition. */
  subscriptions: string
  /** Subscriptions that are due for renewal or replacement. */
  subscriptionsDue: string
  stream(partition: Partition, name: string, lane: Lane): string
  delay(partition: Partition, stage: StageName): string
  dead(partition: Partition, stage: StageName): string
  /** A stage's progress in each of its streams: everything up to the mark is done. */
  marks(partition: Partition, stage: StageName): string
  /** Counts of notifications by result. */
  arrivals(partition: Partition): string
  /** Remembers a notification, so that it is posted once. */
  seen(partition: Partition, id: string): string
  metrics(partition: Partition, provider: Provider): string
  /** The history of mailboxes: `connected`, `needs-reauth`, `paused`, `resumed`. */
  mailboxEvents(partition: Partition): string
  mailboxes(partition: Partition): string
  runs(partition: Partition): string
  /** Ended runs that were not checked for alerts yet, by end time. */
  endedRuns(partition: Partition): string
  mailbox(mailbox: MailboxId): string
  /** A mailbox's sealed tokens. */
  secret(mailbox: MailboxId): string
  /** The lease of the process that requests a new access token. */
  refreshing(mailbox: MailboxId): string
  /** Since when the mailbox's access tokens are refused. */
  tokenRefused(mailbox: MailboxId): string
  /** Work that is parked until the mailbox is resumed. */
  parked(mailbox: MailboxId): string
  /** Deferred items of the mailbox with their errors, by run and window. */
  deferred(mailbox: MailboxId): string
  /** Threads that keep changing, by the time they were last emitted. */
  warm(mailbox: MailboxId): string
  /** The book of the mailbox's quota. */
  quota(mailbox: MailboxId): string
  /** The book of the project quota, for all mailboxes of the mailbox's provider. */
  projectQuota(mailbox: MailboxId): string
  /** The book of what models cost a mailbox. */
  spending(mailbox: MailboxId): string
  /** The book of what models cost all mailboxes. In no partition. */
  allSpending: string
  /** Why and since when the sink is paused. In no partition. */
  sink: string
  /** Whether a person approved what the mailbox's bulk work costs. */
  approval(mailbox: MailboxId): string
  message(mailbox: MailboxId, id: string): string
  thread(mailbox: MailboxId, thread: string): string
  /** The thread of each known message, by the message's digest. */
  threadsOf(mailbox: MailboxId): string
  /** A text that cursors of the mailbox name. */
  link(mailbox: MailboxId, name: string): string
  /** The latest answer to a thread's task. */
  result(mailbox: MailboxId, thread: string): string
  /** The known folders of the mailbox. */
  folders(mailbox: MailboxId): string
  /** The folders that cannot be listed now, and why. */
  folderFaults(mailbox: MailboxId): string
  run(partition: Partition, run: string): string
  /** The threads of a run that wait to be emitted, in queue order. */
  runThreads(partition: Partition, run: string): string
  /**
   * Threads that grew or changed in a run and are not dispatched yet: `thread` until it is emitted, then `thread`, a line feed and its
   * version.
   */
  runUnsent(partition: Partition, run: string): string
  /** The new messages of each of a run's threads. */
  runFresh(partition: Partition, run: string): string
  /** Known messages that a run has not seen yet, with their threads. */
  runSuspects(partition: Partition, run: string): string
  window(partition: Partition, run: string, window: string): string
}

/** Creates the keys under one prefix, spread over `count` partitions. */
export function createKeys(prefix: string, count: number): Keys {
  const partitions = Array.from({ length: count }, (_, index): Partition => `p${String(index).padStart(2, '0')}`)
  const intake = `${prefix}:intake`
  const known = new Map<MailboxId, Partition>()
  const at = (partition: Partition, rest: string) => `${prefix}:{${partition}}:${rest}`
  const partitionOf = (mailbox: MailboxId): Partition => {
    const partition = known.get(mailbox) ?? partitions[hash(mailbox) % count] ?? 'p00'
    known.set(mailbox, partition)
    return partition
  }
  return {
    partitions,
    partitionOf,
    partitionIn: key => (/\{(p\d+)\}/.exec(key)?.[1] ?? 'p00') as Partition,
    head: partition => (partition === undefined ? `${prefix}:{p*}:` : at(partition, '')),
    keeper: `${prefix}:keeper`,
    layout: `${prefix}:layout`,
    intake,
    intakeDead: `${prefix}:{${intake}}:dead`,
    intakeDelay: `${prefix}:{${intake}}:delay`,
    intakeMarks: `${prefix}:{${intake}}:marks`,
    subscriptions: `${prefix}:subscriptions`,
    subscriptionsDue: `${prefix}:subscriptions-due`,
    stream: (partition, name, lane) => at(partition, lane === 'live' ? `s:${name}` : `s:${name}:bulk`),
    delay: (partition, stage) => at(partition, `delay:${stage}`),
    dead: (partition, stage) => at(partition, `dead:${stage}`),
    marks: (partition, stage) => at(partition, `marks:${stage}`),
    arrivals: partition => at(partition, 'arrivals'),
    seen: (partition, id) => at(partition, `seen:${id}`),
    metrics: (partition, provider) => at(partition, `s:sync-metrics:${provider}`),
    mailboxEvents: partition => at(partition, 's:mailbox-events'),
    mailboxes: partition => at(partition, 'mailboxes'),
    runs: partition => at(partition, 'runs'),
    endedRuns: partition => at(partition, 'runs-ended'),
    mailbox: mailbox => at(partitionOf(mailbox), `mailbox:${mailbox}`),
    secret: mailbox => at(partitionOf(mailbox), `secret:${mailbox}`),
    refreshing: mailbox => at(partitionOf(mailbox), `refreshing:${mailbox}`),
    tokenRefused: mailbox => at(partitionOf(mailbox), `token-refused:${mailbox}`),
    parked: mailbox => at(partitionOf(mailbox), `parked:${mailbox}`),
    deferred: mailbox => at(partitionOf(mailbox), `deferred:${mailbox}`),
    warm: mailbox => at(partitionOf(mailbox), `warm:${mailbox}`),
    quota: mailbox => at(partitionOf(mailbox), `quota:${mailbox}`),
    projectQuota: mailbox => `${prefix}:quota:${providerOf(mailbox)}`,
    spending: mailbox => at(partitionOf(mailbox), `spending:${mailbox}`),
    allSpending: `${prefix}:{${prefix}:ai}:spending`,
    sink: `${prefix}:{${prefix}:ai}:sink`,
    approval: mailbox => at(partitionOf(mailbox), `approval:${mailbox}`),
    message: (mailbox, id) => at(partitionOf(mailbox), `msg:${mailbox}:${id}`),
    thread: (mailbox, thread) => at(partitionOf(mailbox), `thread:${mailbox}:${thread}`),
    threadsOf: mailbox => at(partitionOf(mailbox), `threads-of:${mailbox}`),
    link: (mailbox, name) => at(partitionOf(mailbox), `link:${mailbox}:${name}`),
    result: (mailbox, thread) => at(partitionOf(mailbox), `result:${mailbox}:${thread}`),
    folders: mailbox => at(partitionOf(mailbox), `folders:${mailbox}`),
    folderFaults: mailbox => at(partitionOf(mailbox), `folders:${mailbox}:faults`),
    run: (partition, run) => at(partition, `run:${run}`),
    runThreads: (partition, run) => at(partition, `run:${run}:threads`),
    runUnsent: (partition, run) => at(partition, `run:${run}:unsent`),
    runFresh: (partition, run) => at(partition, `run:${run}:fresh`),
    runSuspects: (partition, run) => at(partition, `run:${run}:suspects`),
    window: (partition, run, window) => at(partition, `window:${run}:${window}`),
  }
}

function hash(text: string): number {
  return createHash('sha1').update(text).digest().readUInt32BE(0)
}
