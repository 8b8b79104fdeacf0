import { randomUUID } from 'node:crypto'
import type { Entry, Folder } from './entry.ts'

/**
 * A change of a message: delivered, read flag changed, otherwise changed, moved out of `folder`, or deleted
 * from it.
 */
export interface MessageChange {
  entry: Entry
  kind: 'created' | 'read' | 'updated' | 'moved' | 'deleted'
  /** The folder it was in; for a delivery, the folder it came into. */
  folder: Folder
  /** The folder it is in now; equals `folder` unless it was moved. */
  to: Folder
  /** The number of earlier moves, which determines its id at that time. */
  moves: number
}

/** A change of a folder. */
export interface FolderChange {
  folder: Folder
  kind: 'created' | 'updated' | 'deleted'
}

/** A change with its sequence number and its time (ms since 1970). */
export type Logged<Change> = Change & { sequence: number; atMs: number }

/** A mailbox's changes of one kind, oldest first. Sequence numbers rise across all its logs. */
export interface ChangeLog<Change> {
  record(change: Change): void
  /** Returns the changes above a number. */
  after(sequence: number): readonly Logged<Change>[]
  listen(listener: (change: Logged<Change>) => void): void
}

/** The sequence numbers of a mailbox's changes. */
export interface Sequence {
  /** Differs for each life of the simulator, because its numbers restart. */
  epoch: string
  current(): number
  next(): number
}

/** Creates a sequence from 1. */
export function createSequence(): Sequence {
  let last = 0
  return {
    epoch: randomUUID(),
    current: () => last,
    next() {
      last += 1
      return last
    },
  }
}

/** Creates an empty log; `now` dates its changes. */
export function openLog<Change extends object>(sequence: Sequence, now: () => number): ChangeLog<Change> {
  const changes: Logged<Change>[] = []
  const listeners: ((change: Logged<Change>) => void)[] = []
  return {
    record(change) {
      const logged = { ...change, sequence: sequence.next(), atMs: now() }
      changes.push(logged)
      for (const listener of listeners) listener(logged)
    },
    after(number) {
      let [from, to] = [0, changes.length]
      while (from < to) {
        const middle = (from + to) >>> 1
        if ((changes[middle]?.sequence ?? 0) <= number) from = middle + 1
        else to = middle
      }
      return changes.slice(from)
    },
    listen(listener) {
      listeners.push(listener)
    },
  }
}
