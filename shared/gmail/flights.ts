import { MailError } from '../error.ts'
import type { Fetched } from '../mailbox.ts'
import type { Message, MessageId, ThreadId } from '../message.ts'

/** The result of reading a thread: its messages, or the failure of the whole read. */
export interface ThreadRead {
  messages: ReadonlyMap<MessageId, Message>
  failed?: Fetched
}

/** The thread reads in flight for one mailbox in this process. Batches that share a thread read it once. */
export interface Flights {
  /**
   * Returns the result of the read in flight, if there is one. Rejects with `unavailable` as soon as the
   * signal aborts.
   */
  join(thread: ThreadId, signal: AbortSignal): Promise<ThreadRead> | undefined
  /**
   * Announces reads. The caller must end each with the returned function, which passes the result to the
   * others.
   */
  takeOff(threads: readonly ThreadId[]): (land: (thread: ThreadId) => ThreadRead) => void
}

/** Creates an empty set of thread reads. */
export function createFlights(): Flights {
  const flights = new Map<ThreadId, { landing: Promise<ThreadRead>; land: (landing: ThreadRead) => void }>()
  return {
    join(thread, signal) {
      const landing = flights.get(thread)?.landing
      return landing && unlessAborted(landing, signal)
    },

    takeOff(threads) {
      for (const thread of threads) {
        let land = (_: ThreadRead) => {}
        const landing = new Promise<ThreadRead>(resolve => {
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
    giveUp = () => reject(new MailError('unavailable', 'cancelled while another call was reading the thread'))
  })
  signal.addEventListener('abort', giveUp)
  try {
    if (signal.aborted) giveUp()
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
}
