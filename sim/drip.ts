import { Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'

const DRIPS = 40

/** Streams the text a few bytes at a time within `ms`; `signal` ends it early. */
export function drip(text: string, ms: number, signal: AbortSignal): Readable {
  const bytes = Buffer.from(text)
  const step = Math.max(1, Math.ceil(bytes.length / DRIPS))
  async function* drops() {
    for (let at = 0; at < bytes.length; at += step) {
      await wait(ms / DRIPS, undefined, { signal })
      yield bytes.subarray(at, at + step)
    }
  }
  return Readable.from(drops())
}
