import { MailError } from '../../shared/error.ts'
import { parsed } from './post.ts'

/** Reads the items of a JSON body while it arrives: `{"value": [item, …]}`. */
export interface ItemReader<T> {
  /** Reads the next bytes; throws `unparsable` at the first byte that exceeds a limit. */
  write(chunk: Buffer): void
  /** Returns the results of `read` for the items of `value`, in order. Throws `unparsable` when the body is no such JSON. */
  end(): T[]
}

/** The limits of a body, and the parser of an item; items that are too long, or that `read` returns `undefined` for, are omitted. */
interface ItemReading<T> {
  /** The expected kind of body, for errors: `Graph notification`. */
  what: string
  mostItems: number
  mostItemBytes: number
  read: (item: unknown) => T | undefined
}

const QUOTE = 0x22
const COMMA = 0x2c
const BACKSLASH = 0x5c
const ARRAY_BEGINS = 0x5b
const ARRAY_ENDS = 0x5d
const OBJECT_BEGINS = 0x7b
const OBJECT_ENDS = 0x7d
const SPACE = 0x20

const MAX_DEPTH = 32
// The frame is the body with a number in the place of each item.
const MAX_FRAME_BYTES = 16 * 1024

/**
 * Opens a reader for one body. Each byte is scanned once, and an item is parsed when it is complete. So the cost of a hostile body is
 * linear in its bytes, it is refused at the first byte that exceeds a limit, and it blocks the event loop for at most one chunk.
 */
export function openItemReader<T>({ what, mostItems, mostItemBytes, read }: ItemReading<T>): ItemReader<T> {
  const items: (T | undefined)[] = []
  let frame = ''
  let item = openItem(mostItemBytes)
  let depth = 0
  let isObject = false
  let isAmongItems = false
  let isInItem = false
  let isInString = false
  let isEscaped = false

  return {
    write(chunk) {
      let from = 0
      for (let at = 0; at < chunk.length; at += 1) {
        const byte = chunk[at] ?? 0
        if (isInString) {
          if (isEscaped) isEscaped = false
          else if (byte === BACKSLASH) isEscaped = true
          else if (byte === QUOTE) isInString = false
          continue
        }
        if (isAmongItems && depth === 2) {
          if (byte === COMMA || byte === ARRAY_ENDS) {
            if (isInItem) {
              finishItem(chunk, from, at)
              from = at
            }
          } else if (!isInItem && byte > SPACE) {
            addToFrame(chunk, from, at)
            beginItem()
            from = at
          }
        }
        follow(byte)
      }
      if (isInItem) item.take(chunk, from, chunk.length)
      else addToFrame(chunk, from, chunk.length)
    },

    end() {
      const body = parsedJson(frame)
      if (typeof body !== 'object' || body === null || !Object.hasOwn(body, 'value')) return []
      const { value } = body as { value: unknown }
      const positions: number[] = Array.isArray(value) ? value : []
      return positions.map(place => items[place]).filter(one => one !== undefined)
    },
  }

  function follow(byte: number): void {
    if (byte === QUOTE) isInString = true
    else if (byte === ARRAY_BEGINS || byte === OBJECT_BEGINS) {
      depth += 1
      if (depth === 1) isObject = byte === OBJECT_BEGINS
      if (depth === 2) isAmongItems = isObject && byte === ARRAY_BEGINS
      if (depth > MAX_DEPTH) throw refused(`it is nested more than ${MAX_DEPTH} deep`)
    } else if (byte === ARRAY_ENDS || byte === OBJECT_ENDS) {
      if (isInItem && depth === 2) throw refused('it is not JSON')
      depth -= 1
    }
  }

  function beginItem(): void {
    if (items.length === mostItems) throw refused(`it holds more than ${mostItems} items`)
    frame += items.length
    isInItem = true
  }

  function finishItem(chunk: Buffer, from: number, to: number): void {
    const text = item.finish(chunk, from, to)
    items.push(text === undefined ? undefined : read(parsedJson(text)))
    item = openItem(mostItemBytes)
    isInItem = false
  }

  // Latin-1 garbles names that are not ASCII; the only name that matters is ASCII.
  function addToFrame(chunk: Buffer, from: number, to: number): void {
    frame += chunk.toString('latin1', from, to)
    if (frame.length > MAX_FRAME_BYTES) throw refused(`it holds more than ${MAX_FRAME_BYTES} bytes outside its items`)
  }

  function parsedJson(text: string): unknown {
    const value = parsed(text)
    if (value === undefined) throw refused('it is not JSON')
    return value
  }

  function refused(why: string): MailError {
    return new MailError('unparsable', `not a ${what}: ${why}`)
  }
}

/** Collects the bytes of one item across chunks; keeps nothing of an item longer than `most` bytes. */
function openItem(most: number) {
  let parts: Buffer[] = []
  let length = 0
  return {
    take(chunk: Buffer, from: number, to: number) {
      length += to - from
      if (length > most) parts = []
      // A view would keep the whole chunk in memory.
      else parts.push(Buffer.from(chunk.subarray(from, to)))
    },
    finish(chunk: Buffer, from: number, to: number): string | undefined {
      if (length + to - from > most) return undefined
      if (length === 0) return chunk.toString('utf8', from, to)
      return Buffer.concat([...parts, chunk.subarray(from, to)]).toString()
    },
  }
}
