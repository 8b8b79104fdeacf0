import type { Envelope, Lane } from '../../shared/envelope.ts'
import type { Listed } from '../../shared/mailbox.ts'
import type { MessageId, ThreadId } from '../../shared/message.ts'
import type { StageName } from '../../shared/stage.ts'
import type { ListedId, MergedWindow, ThreadChange, WatchEvent } from '../../shared/streams.ts'
import { isOfKnown, kindOf } from '../../shared/windows/kinds.ts'
import { contextOf, windowOf } from '../records/lineage.ts'
import { grouped, type Recorded } from '../records/recorded.ts'
import type { Listing } from '../records/windows.ts'
import { nextPage } from './recorded-mailbox.ts'
import type { RecordedRuns, ThreadThen } from './recorded-runs.ts'
import { verifiedThen } from './verified.ts'

/** The state in which the inputs of one run, and nothing else, are under way. */
export interface ReplayState {
  /** The inputs to put in; what the stages make of them themselves is not put in as well. */
  put: readonly Recorded[]
  /** The run's counters; without them it begins by itself. */
  counters?: Record<string, number>
  /** Its listing goes on: more pages are asked for. */
  listing?: boolean
  windows: readonly OpenWindow[]
  /** Threads that wait in the run to go out. */
  waiting: readonly ThreadThen[]
  threads: ReadonlySet<ThreadId>
  /** Messages that are to be fetched, and so are not in the cache yet. */
  withheld: ReadonlySet<MessageId>
  /** Known messages of which no page tells. */
  suspects?: readonly Listed[]
  /** Where the mailbox was listed from, where that matters. */
  place?: { cursor: string | undefined; lane: Lane | undefined }
}

/** A window in which only the places in `open` have no fate yet. */
export interface OpenWindow {
  name: string
  of: number
  places: Listing
  open: ReadonlySet<number>
}

/** The setting in which a stage met these inputs of one run; inputs whose surroundings are not recorded any more are left out. */
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
      const withheld = lostHere(inputs, recorded.missing.get(run) ?? [])
      return { put: inputs, counters, windows: [], waiting: [], threads: new Set(changes), withheld }
    }
    case 'cache-filter':
    case 'batch-fetch':
    case 'merge':
      return settling(run, inputs, recorded, stage !== 'merge')
  }
}

// Each page asks for the next by itself.
function listing(run: string, inputs: readonly Recorded[], recorded: RecordedRuns): ReplayState {
  const ordered = inputs.toSorted((a, b) => windowOf(a.envelope.body) - windowOf(b.envelope.body))
  const [first] = ordered
  const page = first && (first.envelope.body as WatchEvent).page
  const next = first && nextPage(recorded.listed, first.envelope)
  const listings = [...recorded.listings].filter(([name]) => name.startsWith(`${run} `))
  const threads = listings.flatMap(([, { places }]) => [...places.values()].map(({ thread }) => thread))
  const withheld = new Set((recorded.missing.get(run) ?? []).map(({ body }) => body.id))
  const lane = first && recorded.listed.all().find(({ id }) => id.startsWith(`${run}/`))?.lane
  return {
    put: first ? [first] : [],
    ...(page ? { counters: {}, listing: true } : {}),
    windows: [],
    waiting: [],
    threads: new Set(threads),
    withheld,
    suspects: verifiedThen(recorded, run).filter(({ suspect }) => suspect),
    // A run whose cursor had expired went on from another; here it begins with that one.
    place: { cursor: page ? page.from : next?.since, lane },
  }
}

function settling(run: string, inputs: readonly Recorded[], recorded: RecordedRuns, fetches: boolean): ReplayState {
  const body = ({ envelope }: Recorded) => envelope.body as Pick<ListedId, 'id' | 'window' | 'index' | 'of'>
  // A context window is opened again when its time comes.
  const regular = inputs.filter(input => !isContext(body(input).window))
  const put = (regular.length > 0 ? regular : inputs).filter(input => {
    const { window, index } = body(input)
    return recorded.listings.get(`${run} ${window}`)?.places.has(index) === true
  })
  const windows = [...grouped(put, input => body(input).window)].map(([name, group]): OpenWindow => {
    const { of, places } = recorded.listings.get(`${run} ${name}`) ?? { of: 0, places: new Map() }
    return { name, of, places, open: new Set(group.map(input => body(input).index)) }
  })
  const threads = new Set(windows.flatMap(({ places, open }) => [...open].map(at => places.get(at)?.thread ?? '')))
  const count = (context: boolean, number: (window: OpenWindow) => number) =>
    windows.reduce((sum, window) => sum + (isOfKnown(window.name) === context ? number(window) : 0), 0)
  const missing = new Set((recorded.missing.get(run) ?? []).map(one => one.body.id))
  const fetched = fetches ? put.map(input => body(input).id).filter(id => missing.has(id)) : []
  return {
    put,
    counters: {
      opened: windows.length,
      listed: count(false, ({ of }) => of),
      filtered: count(false, ({ of, open }) => of - open.size),
      context: count(true, ({ of }) => of),
    },
    windows,
    waiting: regular.length > 0 ? [] : waitingOf(run, threads, recorded),
    threads,
    withheld: new Set([...lost(run, recorded), ...fetched]),
  }
}

function grouping(run: string, inputs: readonly Recorded[], recorded: RecordedRuns): ReplayState {
  const body = ({ envelope }: Recorded) => envelope.body as MergedWindow
  const windows = inputs.filter(input => !body(input).release)
  const regular = windows.filter(input => !isContext(body(input).window))
  // The release follows when every window is grouped.
  const put = regular.length > 0 ? regular : windows.length > 0 ? windows : inputs
  const ids = new Set(put.map(({ envelope }) => envelope.id))
  const released = (recorded.threads.get(run) ?? []).filter(({ release }) => ids.has(release))
  const threads = new Set([
    ...put.flatMap(input => body(input).items.map(({ thread }) => thread)),
    ...released.map(({ thread }) => thread),
  ])
  const count = windows.length > 0 ? put.length : 0
  return {
    put,
    counters: { opened: count, merged: count, ...(count > 0 ? {} : { releasing: 1, releases: put.length }) },
    windows: [],
    waiting: regular.length > 0 ? [] : windows.length > 0 ? waitingOf(run, threads, recorded) : released,
    threads,
    withheld: lost(run, recorded),
  }
}

function isContext(window: string): boolean {
  return kindOf(window) === 'context'
}

function waitingOf(run: string, threads: ReadonlySet<ThreadId>, recorded: RecordedRuns): ThreadThen[] {
  return (recorded.threads.get(run) ?? []).filter(({ thread }) => threads.has(thread))
}

// What had been fetched again before was at hand; only what these inputs themselves asked for was not.
function lostHere(inputs: readonly Recorded[], missing: readonly Envelope<ListedId>[]): Set<MessageId> {
  const heads = inputs.map(({ envelope }) => `${contextOf(envelope)}/`)
  return new Set(missing.flatMap(({ id, body }) => (heads.some(head => id.startsWith(head)) ? [body.id] : [])))
}

// Mail that the cache had lost was fetched again, and will be.
function lost(run: string, recorded: RecordedRuns): Set<MessageId> {
  return new Set((recorded.missing.get(run) ?? []).flatMap(({ body }) => (isOfKnown(body.window) ? [body.id] : [])))
}
