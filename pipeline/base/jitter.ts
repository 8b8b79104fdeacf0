import { createHash } from 'node:crypto'

/** A number from 0 to 1 that is the same for a name each time and other for others: what is due together for many is spread by it. */
export function jitter(name: string): number {
  return createHash('sha1').update(name).digest().readUInt32BE(0) / 2 ** 32
}
