import type { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { MailError } from '../../shared/error.ts'
import { oneAtATime } from '../runtime/one-at-a-time.ts'

/** Reads a request body. Throws an error with the status 413 when the body is too long, and any error of `take`. */
export type ReadBody = (
  payload: Readable,
  body: { limit: number; length: number; take: (piece: Buffer) => void },
) => Promise<void>

// A body of up to this many bytes is read at once, regardless of the number of others.
const SMALL_BYTES = 16 * 1024

/**
 * Creates a reader for untrusted request bodies. It passes a body on as it arrives, in pieces of at most 16 KiB, and stops when `take`
 * throws. Bodies longer than one piece share the event loop: one piece per turn. It buffers at most `mostBytes` of them in total, and
 * throws `unavailable` beyond that, so that the sender retries.
 */
export function createBodyReader(mostBytes: number): ReadBody {
  const inTurn = oneAtATime()
  let buffered = 0

  return async (payload, { limit, length, take }) => {
    if (length > limit) throw tooLong()
    let read = 0
    try {
      for await (const chunk of chunksOf(payload)) {
        for (let at = 0; at < chunk.length; at += SMALL_BYTES) {
          const piece = chunk.subarray(at, at + SMALL_BYTES)
          read += piece.length
          buffered += piece.length
          if (read > limit) throw tooLong()
          if (read <= SMALL_BYTES) take(piece)
          else if (buffered > mostBytes)
            throw new MailError('unavailable', 'too many large requests at once; try again')
          else await inTurn(() => nextTurn().then(() => take(piece)))
        }
      }
    } finally {
      buffered -= read
    }
  }
}

async function* chunksOf(payload: Readable): AsyncGenerator<Buffer> {
  // By default the iterator destroys the stream, which closes the connection before the answer is sent.
  const chunks = payload.iterator({ destroyOnReturn: false })
  try {
    for (;;) {
      const next = await chunks.next().catch(() => {
        throw Object.assign(new Error('the body is incomplete'), { statusCode: 400 })
      })
      if (next.done) return
      yield next.value as Buffer
    }
  } finally {
    await chunks.return?.()
  }
}

function tooLong(): Error {
  return Object.assign(new Error('the body is too long'), { statusCode: 413 })
}
