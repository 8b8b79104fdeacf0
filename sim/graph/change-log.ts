import { randomUUID } from 'node:crypto'
import type { Entry, Folder } from './entry.ts'

/** What happened to a message: it came, its read flag changed, something else of it did, it was moved out of `folder`, it was deleted from there. */
export interface MessageChange {
  entry: Entry
  kind: 'created' | 'read' | 'updated' | 'moved' | 'deleted'
  /** The folder it was in; for what came, the folder it came into. */
  folder: Folder
  /** The folder it is in since; `folder` unless it was moved. */
  to: Folder
  /** How often it had been moved before: its id was made of that. */
  moves: number
}

/** What happened to a folder. */
export interface FolderChange {
  folder: Folder
  kind: 'created' | 'updated' | 'deleted'
}

/** A change with its place in the order of all, and when it was (ms since 1970). */
export type Logged<Change> = Change & { sequence: number; atMs: number }

/** Changes of one kind of a mailbox, oldest first, under numbers that rise through all its logs. */
export interface ChangeLog<Change> {
  record(change: Change): void
  /** Changes above a number. */
  after(sequence: number): readonly Logged<Change>[]
  listen(listener: (change: Logged<Change>) => void): void
}

/** The numbers of a mailbox's changes. */
export interface Sequence {
  /** Another for each life of the simulator: its numbers begin anew. */
  epoch: string
  current(): number
  next(): number
}

/** Numbers from 1. */
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

/** A log without changes; `now` dates them. */
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
