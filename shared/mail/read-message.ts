import { type Message, UNREADABLE } from '../message.ts'
import type { People } from './people.ts'
import type { Reading } from './words.ts'

// Providers report an unset date as 1970 or as the year 1. Readers of tasks expect years of four digits.
const EARLIEST_MS = Date.UTC(1971, 0, 1)
const LATEST_MS = Date.UTC(9999, 11, 31)
const LONGEST_DATE = 100

/** Returns whether a time (ms since 1970) is a plausible receipt date. */
export function isReceived(ms: number | undefined): ms is number {
  return ms !== undefined && ms >= EARLIEST_MS && ms <= LATEST_MS
}

/**
 * Returns when a message was received, in ms since 1970: the first plausible time, the provider's before the sender's. Otherwise returns
 * when the message was read, so that it is neither lost nor dated 1970; without that, the first time given.
 */
export function receivedAt(said: readonly (number | undefined)[], readAt?: number): number | undefined {
  return said.find(isReceived) ?? readAt ?? said.find(ms => ms !== undefined)
}

/** Parses a date as mails and APIs write it, to ms since 1970; returns `undefined` for anything else. */
export function dateIn(text: string | null | undefined): number | undefined {
  const ms = Date.parse((text ?? '').slice(0, LONGEST_DATE))
  return Number.isNaN(ms) ? undefined : ms
}

/** The human-written parts of a message, each as far as it could be read. */
export interface Readings {
  subject: Reading
  from: People
  to: People
  cc: People
  snippet: Reading
}

/** Returns these parts as message fields; `unreadable` names those that could not be read in full, for every provider alike. */
export function writtenParts(read: Readings): Pick<Message, keyof Readings | 'unreadable'> {
  const unreadable = UNREADABLE.filter(name => !read[name].isWhole)
  return {
    subject: read.subject.text,
    from: read.from.people,
    to: read.to.people,
    cc: read.cc.people,
    snippet: read.snippet.text,
    ...(unreadable.length > 0 ? { unreadable } : {}),
  }
}
