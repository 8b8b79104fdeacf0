import { openMailboxes } from '../../pipeline/accounts/mailboxes.ts'
import { readConfig } from '../../shared/config.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import type { GraphOptions, GraphSimulator } from '../../sim/graph/simulator.ts'
import { startGraph } from '../../sim/graph.ts'
import type { SimMailbox } from '../../sim/mailbox.ts'
import { startPipeline, type TestPipeline } from './pipeline.ts'
import type { TestRedis } from './redis.ts'

export const BO: MailboxId = 'outlook:bo@example.com'
export const BO_ADDRESS = 'bo@example.com'

/** The whole pipeline over a simulated Outlook with one mailbox, Bo's; both end with the test. */
export async function startOutlook(
  t: { teardown(work: () => unknown): void },
  redis: TestRedis,
  mailbox: SimMailbox,
  settings: Record<string, string> = {},
  options: Partial<GraphOptions> = {},
): Promise<{ sim: GraphSimulator; pipeline: TestPipeline }> {
  const sim = await startGraph({
    profile: 'instant',
    mailboxes: [{ ...mailbox, address: BO_ADDRESS }],
    ...options,
  })
  t.teardown(() => sim.close())
  const config = readConfig(settings)
  const pipeline = await startPipeline(redis, app => openMailboxes(config, sim.url, app)(BO), {
    id: BO,
    settings,
  })
  t.teardown(() => pipeline.stop())
  return { sim, pipeline }
}
