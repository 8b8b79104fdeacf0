import type { Envelope } from '../../shared/envelope.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import type { Stage } from '../../shared/stage.ts'
import { byEntry, mentions, type Recorded, type Records, recordedIn } from './recorded.ts'

/** A filter for recorded entries; all given conditions must match. Times are those of the envelopes, in ms since 1970. */
export interface Selection {
  run?: string | undefined
  mailbox?: MailboxId | undefined
  since?: number | undefined
  until?: number | undefined
  /** A message's id at its provider, anywhere in the body. */
  message?: string | undefined
}

/** Selects the recorded inputs of a stage in the order they were written; a retried input appears once. */
export async function selectInputs(
  records: Records,
  stage: Stage,
  selection: Selection,
  signal?: AbortSignal,
): Promise<Recorded[]> {
  const found = new Map<string, Recorded>()
  for (const stream of stage.reads) {
    for await (const entry of recordedIn(records, stream, { mailbox: selection.mailbox, signal })) {
      if (isSelected(entry.envelope, selection)) found.set(`${stream.name} ${entry.envelope.id}`, entry)
    }
  }
  return [...found.values()].sort(byEntry)
}

function isSelected({ run, at, body }: Envelope, { run: wanted, since, until, message }: Selection): boolean {
  if (wanted !== undefined && run !== wanted) return false
  if ((since !== undefined && at < since) || (until !== undefined && at > until)) return false
  return message === undefined || mentions(body, message)
}
