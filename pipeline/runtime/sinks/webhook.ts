import type { Sink } from '../../../shared/ai/sink.ts'
import type { AppContext } from '../../base/app.ts'

/** Opens the sink that posts tasks to a receiver. Throws `misconfigured` for a wrong address or secret. */
export async function openWebhook({ config, surroundings }: AppContext): Promise<Sink> {
  const { createWebhookSink } = await import('../../../shared/webhook/sink.ts')
  return createWebhookSink({
    url: config.WEBHOOK_URL ?? '',
    secrets: config.WEBHOOK_SECRET,
    allowPrivate: config.WEBHOOK_ALLOW_PRIVATE,
    http: surroundings.http,
    machine: surroundings.machine,
  })
}
