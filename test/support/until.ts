import { setTimeout as sleep } from 'node:timers/promises'

const LOOK_AGAIN_MS = 20

/** Waits until a condition is truthy and does not throw; throws with its name after `deadlineMs`. */
export async function until<T>(
  condition: () => T | undefined | Promise<T | undefined>,
  what: string,
  deadlineMs = 60_000,
): Promise<T> {
  const deadline = Date.now() + deadlineMs
  let last: unknown
  for (;;) {
    try {
      const value = await condition()
      if (value) return value
      last = value
    } catch (error) {
      last = error
    }
    if (Date.now() > deadline) throw new Error(`not within ${deadlineMs} ms: ${what} (last seen: ${String(last)})`)
    await sleep(LOOK_AGAIN_MS)
  }
}
