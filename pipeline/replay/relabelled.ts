import { threads } from '../../shared/streams.ts'
import type { Difference } from '../records/diff.ts'
import { byEntry, type Records, recordedIn, type Scope } from '../records/recorded.ts'

// Earlier labels of a message are not recorded: the version of a thread, the labels in a task and its length
// come from the current ones.
const FROM_LABELS = /^body\.(version|task|labels|budget\.used)(\.|$)/

/** Returns the ids of recorded threads that were emitted as another version since: labels of their messages may have changed. */
export async function supersededThreads(records: Records, scope: Scope): Promise<Set<string>> {
  const newest = new Map<string, { entryId: string; version: string }>()
  const all: { id: string; name: string; version: string }[] = []
  for await (const { entryId, envelope } of recordedIn(records, threads, scope)) {
    const { thread, version } = envelope.body
    const name = `${envelope.mailbox} ${thread}`
    all.push({ id: envelope.id, name, version })
    const known = newest.get(name)
    if (!known || byEntry(known, { entryId }) < 0) newest.set(name, { entryId, version })
  }
  return new Set(all.filter(({ name, version }) => newest.get(name)?.version !== version).map(({ id }) => id))
}

/** Returns whether labels alone can explain a difference. */
export function isLabelChange({ kind, changes }: Difference): boolean {
  return kind === 'changed' && changes.every(({ path }) => FROM_LABELS.test(path))
}

/** Returns the id of the `threads` entry behind an entry of `threads` or `analysis-tasks`. */
export function threadEntryOf(id: string): string {
  return id.replace(/\/task$/, '')
}
