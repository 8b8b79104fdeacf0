import type { Mailer } from './mailer.ts'
import { percentile } from './percentile.ts'
import type { Rig } from './rig.ts'

// Not in step with anything else, and no mailbox more than once a second.
const GAP_MS = { least: 100, most: 200 }

/** Lets mail come at its own pace, and waits for all of it; the 95th percentile in ms. */
export async function round({ pause }: Rig, mailer: Mailer, mails: number): Promise<number> {
  const sent: Promise<number>[] = []
  for (let index = 0; index < mails; index += 1) {
    const task = mailer.send()
    // It is awaited below; until then it must not count as unhandled.
    task.catch(() => undefined)
    sent.push(task)
    await pause(GAP_MS.least + Math.random() * (GAP_MS.most - GAP_MS.least))
  }
  return percentile(await Promise.all(sent), 0.95)
}
