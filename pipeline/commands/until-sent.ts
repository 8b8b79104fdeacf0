import { MailError } from '../../shared/error.ts'
import { readBacklog } from '../../shared/redis/backlog.ts'
import { SENDER } from '../../shared/stage.ts'
import { aiSend } from '../../stages/ai-send.ts'
import type { AppContext } from '../base/app.ts'
import { MINUTE_MS } from '../base/times.ts'
import { sleep } from '../base/wait.ts'
import { unsent } from '../runtime/sending.ts'
import { readSink } from '../runtime/sink-facts.ts'

const POLL_MS = 100
const STOPPED = 'stopped before every task was sent; the rest is sent after the next start'

/**
 * Waits until the sink got every task, is paused, or the rest waits for longer than a minute, as with a spent budget. Returns how many wait. Throws when
 * aborted.
 */
export async function untilSent(app: AppContext, signal: AbortSignal): Promise<number> {
  const { redis, keys, now, surroundings } = app
  for (;;) {
    const rows = await readBacklog(redis, keys, [aiSend])
    const atOnce = rows.reduce((sum, { waiting, inWork }) => sum + (waiting ?? 0) + inWork, 0)
    const delays = keys.partitions.map(partition => keys.delay(partition, SENDER))
    const soon = await Promise.all(delays.map(key => redis.zcount(key, '-inf', now() + MINUTE_MS)))
    const sink = await readSink(app)
    if (sink?.paused) return unsent(app)
    if (atOnce === 0 && soon.every(count => count === 0)) return rows.reduce((sum, { delayed }) => sum + delayed, 0)
    if (signal.aborted) throw new MailError('unavailable', STOPPED)
    await sleep(POLL_MS, signal, surroundings.machine)
  }
}
