import type { Envelope } from '../../shared/envelope.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import type { MessageId, ThreadId } from '../../shared/message.ts'
import { type ListedId, type ThreadChange, threads, type WatchEvent } from '../../shared/streams.ts'
import { batchFetch } from '../../stages/batch-fetch.ts'
import { listIds } from '../../stages/list-ids/list-ids.ts'
import type { AppContext } from '../base/app.ts'
import { type Lineage, readLineage } from '../records/lineage.ts'
import { grouped, type Recorded, recordedIn } from '../records/recorded.ts'
import { selectInputs } from '../records/selection.ts'
import { type Listings, readListings } from '../records/windows.ts'

/** A thread as a recorded run emitted it. */
export interface RecordedThread {
  thread: ThreadId
  ids: readonly MessageId[]
  fresh: readonly MessageId[]
  /** Whether the thread was dispatched before that run. */
  known: boolean
  /** The id of the release that emitted it. */
  release: string
}

/** The recorded entries of some runs of a mailbox, each part by run. */
export interface RecordedRuns {
  listings: Listings
  /** The watch events that listed the pages of a run, first page first; `listed` holds their outputs. */
  events: ReadonlyMap<string, readonly Envelope<WatchEvent>[]>
  listed: Lineage
  /** The ids to fetch; `fetched` holds their fates. */
  missing: ReadonlyMap<string, readonly Envelope<ListedId>[]>
  fetched: Lineage
  threads: ReadonlyMap<string, readonly RecordedThread[]>
}

/** Reads the records of runs, each stream once. */
export async function readRecordedRuns(
  app: AppContext,
  mailbox: MailboxId,
  runs: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<RecordedRuns> {
  const ofRuns = ({ envelope }: Recorded) => runs.has(envelope.run)
  const events = (await selectInputs(app, listIds, { mailbox }, signal)).filter(ofRuns)
  const missing = (await selectInputs(app, batchFetch, { mailbox }, signal)).filter(ofRuns)
  const changes: (RecordedThread & { run: string })[] = []
  for await (const { envelope } of recordedIn(app, threads, { mailbox, signal })) {
    const { thread, ids, fresh, reason, part }: ThreadChange = envelope.body
    const known = reason !== 'new'
    if (runs.has(envelope.run)) changes.push({ run: envelope.run, thread, ids, fresh, known, release: part.group })
  }
  return {
    listings: await readListings(app, runs, { mailbox, signal }),
    events: byRun(events),
    listed: await readLineage(app, listIds, events, signal),
    missing: byRun(missing),
    fetched: await readLineage(app, batchFetch, missing, signal),
    threads: grouped(changes, ({ run }) => run),
  }
}

function byRun<Body>(entries: readonly Recorded[]): Map<string, Envelope<Body>[]> {
  return grouped(
    entries.map(({ envelope }) => envelope as Envelope<Body>),
    ({ run }) => run,
  )
}
