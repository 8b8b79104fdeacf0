import type { Envelope } from '../../shared/envelope.ts'
import type { MessageId } from '../../shared/message.ts'
import type { ListedId } from '../../shared/streams.ts'
import { isOfKnown } from '../../shared/windows/kinds.ts'
import { contextOf } from '../records/lineage.ts'
import type { Recorded } from '../records/recorded.ts'
import type { RecordedRuns } from './recorded-runs.ts'

/** Returns the messages that these inputs requested. Those that earlier inputs refetched were cached already. */
export function missingFor(inputs: readonly Recorded[], missing: readonly Envelope<ListedId>[]): Set<MessageId> {
  const heads = inputs.map(({ envelope }) => `${contextOf(envelope)}/`)
  return new Set(missing.flatMap(({ id, body }) => (heads.some(head => id.startsWith(head)) ? [body.id] : [])))
}

/** Returns the messages of a run that the cache had lost. They were refetched, and will be again. */
export function lost(run: string, recorded: RecordedRuns): Set<MessageId> {
  return new Set((recorded.missing.get(run) ?? []).flatMap(({ body }) => (isOfKnown(body.window) ? [body.id] : [])))
}
