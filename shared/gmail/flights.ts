import { MailError } from '../error.ts'
import type { Fetched } from '../mailbox.ts'
import type { Message, MessageId, ThreadId } from '../message.ts'

/** What reading a thread came to: its messages, or what holds for all of it where it could not be read. */
export interface Landing {
  messages: ReadonlyMap<MessageId, Message>
  failed?: Fetched
}

/** The threads of one mailbox that are being read in this process, so that batches which share a thread read it once. */
export interface Flights {
  /** What the read that is under way comes to, where one is; rejects with `unavailable` as soon as the signal aborts. */
  join(thread: ThreadId, signal: AbortSignal): Promise<Landing> | undefined
  /** Announces reads; each must end with the function this gives, which tells the others. */
  takeOff(threads: readonly ThreadId[]): (land: (thread: ThreadId) => Landing) => void
}

/** No reads under way. */
export function createFlights(): Flights {
  const flights = new Map<ThreadId, { landing: Promise<Landing>; land: (landing: Landing) => void }>()
  return {
    join(thread, signal) {
      const landing = flights.get(thread)?.landing
      return landing && unlessAborted(landing, signal)
    },

    takeOff(threads) {
      for (const thread of threads) {
        let land = (_: Landing) => {}
        const landing = new Promise<Landing>(resolve => {
          land = resolve
        })
        flights.set(thread, { landing, land })
      }
      return landingOf => {
        for (const thread of threads) {
          flights.get(thread)?.land(landingOf(thread))
          flights.delete(thread)
        }
      }
    },
  }
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let giveUp = () => {}
  const aborted = new Promise<never>((_, reject) => {
    giveUp = () => reject(new MailError('unavailable', 'given up while another call read the thread'))
  })
  signal.addEventListener('abort', giveUp)
  try {
    if (signal.aborted) giveUp()
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
}
