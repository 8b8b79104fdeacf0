import { createHash } from 'node:crypto'

/** Creates and reads the ids of one mailbox in Exchange's formats. */
export interface Ids {
  /**
   * Returns a message's usual id, which changes with each move
   * (learn.microsoft.com/graph/outlook-immutable-id).
   */
  message(index: number, moves: number): string
  /** Returns a message's immutable id, which survives moves. */
  immutable(index: number): string
  folder(index: number): string
  conversation(index: number): string
  changeKey(version: number): string
  /**
   * Returns the message of an id of either kind; `moves` only for a usual id. Returns `undefined` if the id
   * is not of this mailbox.
   */
  readMessage(id: string): { index: number; moves: number | undefined } | undefined
  /** Returns the folder of an id; `undefined` if it is not one. */
  readFolder(id: string): number | undefined
  /** The mailbox's own id, which is also its owner's. */
  user: string
}

const PROVIDER = Buffer.from('1d840311aa6611cd9bc800aa002f845a', 'hex')
const MESSAGE = 0x07
const FOLDER = 0x01
const IMMUTABLE = 0x0d
const COUNTER_BYTES = 6
const MOVES_BYTES = 2

/** Returns the ids of the mailbox with this address, the same whenever it is loaded. */
export function idsOf(address: string): Ids {
  const digest = createHash('sha256').update(address.toLowerCase()).digest()
  const store = digest.subarray(0, 16)
  const user = guid(digest.subarray(16))
  const owner = Buffer.from(user, 'latin1')

  const entryId = (type: number, ...counters: readonly Buffer[]) =>
    Buffer.concat([
      Buffer.alloc(4),
      PROVIDER,
      Buffer.of(type, 0),
      ...counters.flatMap(one => [store, one]),
      Buffer.alloc(2),
    ])
  const owned = (type: number, length: number, content: Buffer) =>
    encode(Buffer.concat([Buffer.of(0, type, owner.length, 0), owner, Buffer.of(0, length, 0), content]))

  const message = (index: number, moves: number) => {
    const counters = [Buffer.concat([counter(0), Buffer.alloc(2)]), counted(index, moves)]
    const content = entryId(MESSAGE, ...counters)
    return owned(0x03, content.length, content)
  }
  const immutable = (index: number) => {
    const content = entryId(IMMUTABLE, counter(index))
    return encode(Buffer.concat([Buffer.of(0, 0x09, 0, content.length, 0), content]))
  }
  const folder = (index: number) => {
    const content = entryId(FOLDER, counter(index))
    return owned(0x03, content.length, content)
  }
  const [messageLength, immutableLength, folderLength] = [message(0, 0).length, immutable(0).length, folder(0).length]

  return {
    message,
    immutable,
    folder,
    user,
    conversation: index => owned(0x04, 16, createHash('md5').update(store).update(counter(index)).digest()),
    changeKey: version =>
      encode(Buffer.concat([Buffer.from('0900000016000000', 'hex'), store, Buffer.alloc(2), counter(version)])),
    readMessage(id) {
      const bytes = Buffer.from(id, 'base64url')
      // From the end: a counter, and two bytes.
      const at = bytes.length - 2 - COUNTER_BYTES
      if (id.length === messageLength) {
        const index = bytes.readUIntBE(at, COUNTER_BYTES - MOVES_BYTES)
        const moves = bytes.readUIntBE(at + COUNTER_BYTES - MOVES_BYTES, MOVES_BYTES)
        if (message(index, moves) === id) return { index, moves }
      }
      if (id.length !== immutableLength) return undefined
      const index = bytes.readUIntBE(at, COUNTER_BYTES)
      return immutable(index) === id ? { index, moves: undefined } : undefined
    },
    readFolder(id) {
      if (id.length !== folderLength) return undefined
      const bytes = Buffer.from(id, 'base64url')
      const index = bytes.readUIntBE(bytes.length - 2 - COUNTER_BYTES, COUNTER_BYTES)
      return folder(index) === id ? index : undefined
    },
  }
}

function counter(value: number): Buffer {
  const bytes = Buffer.alloc(COUNTER_BYTES)
  bytes.writeUIntBE(value, 0, COUNTER_BYTES)
  return bytes
}

function counted(index: number, moves: number): Buffer {
  const bytes = Buffer.alloc(COUNTER_BYTES)
  bytes.writeUIntBE(index, 0, COUNTER_BYTES - MOVES_BYTES)
  bytes.writeUIntBE(moves, COUNTER_BYTES - MOVES_BYTES, MOVES_BYTES)
  return bytes
}

function guid(bytes: Buffer): string {
  const hex = bytes.toString('hex', 0, 16)
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

// Exchange pads its base64url; Node does not.
function encode(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_')
}
