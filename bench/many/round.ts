import type { Mailer } from './mailer.ts'
import { percentile } from './percentile.ts'
import type { Rig } from './rig.ts'

// Random gaps avoid synchrony, and no mailbox gets mail more than once a second.
const GAP_MS = { least: 100, most: 200 }

/** Sends mail at a fixed pace, waits for all its tasks, and returns the 95th percentile in ms. */
export async function round({ pause }: Rig, mailer: Mailer, mails: number): Promise<number> {
  const sent: Promise<number>[] = []
  for (let index = 0; index < mails; index += 1) {
    const task = mailer.send()
    // The promise is awaited below; until then a rejection must not count as unhandled.
    task.catch(() => undefined)
    sent.push(task)
    await pause(GAP_MS.least + Math.random() * (GAP_MS.most - GAP_MS.least))
  }
  return percentile(await Promise.all(sent), 0.95)
}
