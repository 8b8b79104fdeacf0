import { type Message, UNREADABLE } from '../message.ts'
import type { People } from './people.ts'
import type { Reading } from './words.ts'

/** The parts of a message that are people's words, each as far as it could be read. */
export interface Readings {
  subject: Reading
  from: People
  to: People
  cc: People
  snippet: Reading
}

/** These parts as a message has them: what could not be read is marked by name, at each provider alike. */
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
