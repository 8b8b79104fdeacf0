import type { Lane } from '../../shared/envelope.ts'
import { MailError } from '../../shared/error.ts'
import type { Listed } from '../../shared/mailbox.ts'
import type { MessageId, ThreadId } from '../../shared/message.ts'
import type { StageName } from '../../shared/stage.ts'
import type { ListedId, MergedWindow, ThreadChange, WatchEvent } from '../../shared/streams.ts'
import { isOfKnown, kindOf } from '../../shared/windows/kinds.ts'
import { windowOf } from '../records/lineage.ts'
import { grouped, type Recorded } from '../records/recorded.ts'
import type { Listing } from '../records/windows.ts'
import { nextPage } from './recorded-mailbox.ts'
import type { RecordedRuns, RecordedThread } from './recorded-runs.ts'
import { lost, missingFor } from './refetched.ts'
import { verifiedInRun } from './verified.ts'

/** The state in which the inputs of one run, and nothing else, are in flight. */
export interface ReplayState {
  /** The inputs to write; entries that the stages derive from them are not written. */
  inputs: readonly Recorded[]
  /** The counters of the run; without them the first stage starts the run. */
  counters?: Record<string, number>
  /** Whether the run requests more pages. */
  listing?: boolean
  windows: readonly OpenWindow[]
  /** Threads that wait in the run for their release. */
  waiting: readonly RecordedThread[]
  threads: ReadonlySet<ThreadId>
  /** Messages to fetch, which must not be cached yet. */
  uncached: ReadonlySet<MessageId>
  /** Known messages that no page lists. */
  suspects?: readonly Listed[]
  /** The cursor and lane of the listing, for inputs that list. */
  listFrom?: { cursor: string | undefined; lane: Lane | undefined }
}

/** A window in which only the positions in `open` have no fate yet. */
export interface OpenWindow {
  name: string
  of: number
  places: Listing
  open: ReadonlySet<number>
}

/** Rebuilds the state in which a stage received these inputs of one run; inputs whose records have expired are left out. */
export function replayStateOf(
  stage: StageName,
  run: string,
  inputs: readonly Recorded[],
  recorded: RecordedRuns,
): ReplayState {
  switch (stage) {
    case 'list-ids':
      return listing(run, inputs, recorded)
    case 'thread-group':
      return grouping(run, inputs, recorded)
    case 'ai-dispatch': {
      const changes = inputs.map(({ envelope }) => (envelope.body as ThreadChange).thread)
      const counters = { threads: inputs.length }
      const uncached = missingFor(inputs, recorded.missing.get(run) ?? [])
      return { inputs, counters, windows: [], waiting: [], threads: new Set(changes), uncached }
    }
    case 'cache-filter':
    case 'batch-fetch':
    case 'merge':
      return settling(run, inputs, recorded, stage !== 'merge')
    // Sending again would cost again and reach the outside.
    case 'ai-send':
      throw new MailError('unsupported', 'what was sent to a sink is not replayed')
  }
}

// Each page requests the next one, so only the first is written.
function listing(run: string, inputs: readonly Recorded[], recorded: RecordedRuns): ReplayState {
  const ordered = inputs.toSorted((a, b) => windowOf(a.envelope.body) - windowOf(b.envelope.body))
  const [first] = ordered
  const page = first && (first.envelope.body as WatchEvent).page
  const next = first && nextPage(recorded.listed, first.envelope)
  const listings = [...recorded.listings].filter(([name]) => name.startsWith(`${run} `))
  const threads = listings.flatMap(([, { places }]) => [...places.values()].map(({ thread }) => thread))
  const uncached = new Set((recorded.missing.get(run) ?? []).map(({ body }) => body.id))
  const lane = first && recorded.listed.all().find(({ id }) => id.startsWith(`${run}/`))?.lane
  return {
    inputs: first ? [first] : [],
    ...(page ? { counters: {}, listing: true } : {}),
    windows: [],
    waiting: [],
    threads: new Set(threads),
    uncached,
    suspects: verifiedInRun(recorded, run).filter(({ suspect }) => suspect),
    // A run whose cursor had expired continued from another; the replay starts with that one.
    listFrom: { cursor: page ? page.from : next?.since, lane },
  }
}

function settling(run: string, inputs: readonly Recorded[], recorded: RecordedRuns, fetches: boolean): ReplayState {
  const body = ({ envelope }: Recorded) => envelope.body as Pick<ListedId, 'id' | 'window' | 'index' | 'of'>
  // The stages open context windows themselves.
  const regular = inputs.filter(input => !isContext(body(input).window))
  const seeds = (regular.length > 0 ? regular : inputs).filter(input => {
    const { window, index } = body(input)
    return recorded.listings.get(`${run} ${window}`)?.places.has(index) === true
  })
  const windows = [...grouped(seeds, input => body(input).window)].map(([name, group]): OpenWindow => {
    const { of, places } = recorded.listings.get(`${run} ${name}`) ?? { of: 0, places: new Map() }
    return { name, of, places, open: new Set(group.map(input => body(input).index)) }
  })
  const threads = new Set(windows.flatMap(({ places, open }) => [...open].map(at => places.get(at)?.thread ?? '')))
  const count = (context: boolean, number: (window: OpenWindow) => number) =>
    windows.reduce((sum, window) => sum + (isOfKnown(window.name) === context ? number(window) : 0), 0)
  const missing = new Set((recorded.missing.get(run) ?? []).map(one => one.body.id))
  const fetched = fetches ? seeds.map(input => body(input).id).filter(id => missing.has(id)) : []
  return {
    inputs: seeds,
    counters: {
      opened: windows.length,
      listed: count(false, ({ of }) => of),
      filtered: count(false, ({ of, open }) => of - open.size),
      context: count(true, ({ of }) => of),
    },
    windows,
    waiting: regular.length > 0 ? [] : waitingOf(run, threads, recorded),
    threads,
    uncached: new Set([...lost(run, recorded), ...fetched]),
  }
}

function grouping(run: string, inputs: readonly Recorded[], recorded: RecordedRuns): ReplayState {
  const body = ({ envelope }: Recorded) => envelope.body as MergedWindow
  const windows = inputs.filter(input => !body(input).release)
  const regular = windows.filter(input => !isContext(body(input).window))
  // The stages write the release when every window is grouped.
  const seeds = regular.length > 0 ? regular : windows.length > 0 ? windows : inputs
  const ids = new Set(seeds.map(({ envelope }) => envelope.id))
  const released = (recorded.threads.get(run) ?? []).filter(({ release }) => ids.has(release))
  const threads = new Set([
    ...seeds.flatMap(input => body(input).items.map(({ thread }) => thread)),
    ...released.map(({ thread }) => thread),
  ])
  const count = windows.length > 0 ? seeds.length : 0
  return {
    inputs: seeds,
    counters: { opened: count, merged: count, ...(count > 0 ? {} : { releasing: 1, releases: seeds.length }) },
    windows: [],
    waiting: regular.length > 0 ? [] : windows.length > 0 ? waitingOf(run, threads, recorded) : released,
    threads,
    uncached: lost(run, recorded),
  }
}

function isContext(window: string): boolean {
  return kindOf(window) === 'context'
}

function waitingOf(run: string, threads: ReadonlySet<ThreadId>, recorded: RecordedRuns): RecordedThread[] {
  return (recorded.threads.get(run) ?? []).filter(({ thread }) => threads.has(thread))
}
