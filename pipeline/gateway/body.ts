import type { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { MailError } from '../../shared/error.ts'
import { oneAtATime } from '../runtime/one-at-a-time.ts'

/** Reads a body of a request, or throws: an error with the status 413 where it is too long, and whatever `take` throws. */
export type ReadBody = (
  payload: Readable,
  body: { limit: number; length: number; take: (piece: Buffer) => void },
) => Promise<void>

// Up to this many bytes a body is read at once, and however many others there are.
const SMALL_BYTES = 16 * 1024

/**
 * A reader for the bodies of anybody's requests. It hands a body on as it comes, in pieces of 16 KiB at most, and nothing after a piece
 * that `take` throws over. Of all bodies that are longer than one piece, one piece is taken in a turn of the event loop. It never holds
 * more than `mostBytes` of them together: throws `unavailable` where they would be more, so that the sender tries again.
 */
export function createBodyReader(mostBytes: number): ReadBody {
  const inTurn = oneAtATime()
  let held = 0

  return async (payload, { limit, length, take }) => {
    if (length > limit) throw tooLong()
    let read = 0
    try {
      for await (const chunk of chunksOf(payload)) {
        for (let at = 0; at < chunk.length; at += SMALL_BYTES) {
          const piece = chunk.subarray(at, at + SMALL_BYTES)
          read += piece.length
          held += piece.length
          if (read > limit) throw tooLong()
          if (read <= SMALL_BYTES) take(piece)
          else if (held > mostBytes) throw new MailError('unavailable', 'too much is being posted at once; try again')
          else await inTurn(() => nextTurn().then(() => take(piece)))
        }
      }
    } finally {
      held -= read
    }
  }
}

async function* chunksOf(payload: Readable): AsyncGenerator<Buffer> {
  // Left to itself, it would close the connection before anything is answered.
  const chunks = payload.iterator({ destroyOnReturn: false })
  try {
    for (;;) {
      const next = await chunks.next().catch(() => {
        throw Object.assign(new Error('the body was not sent to its end'), { statusCode: 400 })
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
