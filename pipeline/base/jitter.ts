import { createHash } from 'node:crypto'

/** Returns a number from 0 to 1 that is stable for a name, to spread jobs that would be due together. */
export function jitter(name: string): number {
  return createHash('sha1').update(name).digest().readUInt32BE(0) / 2 ** 32
}
