import { threads } from '../../shared/streams.ts'
import type { Difference } from '../records/diff.ts'
import { byEntry, type Records, recordedIn, type Scope } from '../records/recorded.ts'

// The labels that a mail had then are kept nowhere: a thread's version, what a task says of labels, and how long
// it is, come from those it has now.
const FROM_LABELS = /^body\.(version|task|labels|budget\.used)(\.|$)/

/** The ids of recorded threads that have gone out in another version since: labels of their mail may have changed. */
export async function overtakenThreads(records: Records, scope: Scope): Promise<Set<string>> {
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

/** Whether nothing differs but what labels alone could have changed. */
export function isOfLabels({ kind, changes }: Difference): boolean {
  return kind === 'changed' && changes.every(({ path }) => FROM_LABELS.test(path))
}

/** The recorded thread that an entry of `threads` or `analysis-tasks` is, or follows from. */
export function threadEntryOf(id: string): string {
  return id.replace(/\/task$/, '')
}
