import { type Message, UNREADABLE } from '../message.ts'
import type { People } from './people.ts'
import type { Reading } from './words.ts'

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
