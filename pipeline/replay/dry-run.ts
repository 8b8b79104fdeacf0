import type { Envelope } from '../../shared/envelope.ts'
import { asMailError } from '../../shared/error.ts'
import type { Delivery, Fact } from '../../shared/fact.ts'
import { type Batch, follow, type Outcome, type Stage, type StageName } from '../../shared/stage.ts'
import {
  analysisTasks,
  cachedMessages,
  fetchedMessages,
  merged,
  type SettledId,
  threads,
} from '../../shared/streams.ts'
import type { Task } from '../../shared/task/schema.ts'
import { isDeferred } from '../../shared/windows/deferred.ts'
import { fetchingOf } from '../accounts/providers.ts'
import type { AppContext } from '../base/app.ts'
import { paceOf } from '../base/stages.ts'
import { type Comparison, compare, type Difference } from '../records/diff.ts'
import { createLineage, type Emission, emissionOf, type Lineage, readLineage } from '../records/lineage.ts'
import { byEntry, grouped, type Recorded, recordedIn, throwIfStopped } from '../records/recorded.ts'
import { type Selection, selectInputs } from '../records/selection.ts'
import { joinWindow, type KnownFate, readListings } from '../records/windows.ts'
import { isReplayable, recordedContext } from './recorded-context.ts'
import { NOT_CACHED } from './recorded-mailbox.ts'
import { isLabelChange, supersededThreads, threadEntryOf } from './relabelled.ts'

/** The output of a stage on its recorded inputs, compared with the recorded output. */
export interface DryRun extends Comparison {
  stage: StageName
  inputs: number
  /** Ids of inputs and outputs that could not be compared: records, messages or labels they need have expired. */
  notAtHand: readonly string[]
  /** Inputs for which the handler threw. */
  failed: readonly { id: string; error: string }[]
}

interface Emitted {
  deliveries: Delivery[]
  facts: Fact[]
  failed: { id: string; error: string }[]
  notAtHand: Set<string>
}

// The records of these stages hold answers for one input; a batch could not tell them apart.
const ONE_BY_ONE: readonly StageName[] = ['list-ids', 'thread-group', 'ai-dispatch']

/**
 * Runs the handler of a stage on recorded inputs without side effects, and compares its output with the recorded output.
 * Calls no provider and changes nothing in Redis, not even a TTL. Throws when aborted.
 */
export async function dryRun(
  stage: Stage,
  app: AppContext,
  selection: Selection,
  signal: AbortSignal = new AbortController().signal,
): Promise<DryRun> {
  const chosen = await selectInputs(app, stage, selection, signal)
  const inputs = stage.name === 'merge' ? await wholeWindows(app, stage, { chosen, selection, signal }) : chosen
  const lineage = await readLineage(app, stage, inputs, signal)
  const all: Emitted = { deliveries: [], facts: [], failed: [], notAtHand: new Set() }
  for (const batch of batchesOf(stage, app, inputs)) {
    throwIfStopped(signal)
    await runBatch(stage, app, { batch, lineage, signal, all })
  }
  const emitted = [...all.deliveries, ...all.facts.flatMap(deliveriesOf)]
  if (stage.name === 'merge') emitted.push(...(await mergedNow(app, all, { selection, signal })))
  const now = emitted.map(({ to, envelope }) => emissionOf({ stream: to.name, envelope }))
  const replayable = inputs.filter(({ envelope }) => !all.notAtHand.has(envelope.id))
  const selected = createLineage(stage.name, replayable)
  const comparable = ({ stream, id }: Emission) => selected.follows(stream, id) && !all.notAtHand.has(id)
  const compared = compare(
    lineage.all().filter(comparable),
    await withoutRepeats(app, now, { lineage, selection, signal }),
  )
  const scope = { mailbox: selection.mailbox, signal }
  const superseded = compared.differences.some(isLabelChange) ? await supersededThreads(app, scope) : new Set<string>()
  const isRelabelled = (one: Difference) => isLabelChange(one) && superseded.has(threadEntryOf(one.id))
  return {
    stage: stage.name,
    inputs: chosen.length,
    same: compared.same,
    differences: compared.differences.filter(one => !isRelabelled(one)),
    notAtHand: [...all.notAtHand, ...compared.differences.filter(isRelabelled).map(({ id }) => id)],
    failed: all.failed,
  }
}

function batchesOf(stage: Stage, { config }: AppContext, inputs: readonly Recorded[]): Batch<unknown>[] {
  const groups = grouped(inputs, ({ envelope }) => batchKey(envelope))
  return [...groups.values()].flatMap(group => {
    const items = group.map(({ envelope }) => envelope)
    const mailbox = items[0]?.mailbox ?? ':'
    const size = ONE_BY_ONE.includes(stage.name) ? 1 : paceOf(stage, fetchingOf(mailbox, config)).size
    return Array.from({ length: Math.ceil(items.length / size) }, (_, index): Batch<unknown> => {
      return { mailbox, items: items.slice(index * size, (index + 1) * size) }
    })
  })
}

// A deferred message got another answer on its retry, so the retry is a batch of its own.
function batchKey(envelope: Envelope): string {
  return `${envelope.mailbox} ${envelope.run} ${isDeferred(envelope)}`
}

async function runBatch(
  stage: Stage,
  app: AppContext,
  { batch, lineage, signal, all }: { batch: Batch<unknown>; lineage: Lineage; signal: AbortSignal; all: Emitted },
): Promise<void> {
  const items: Envelope[] = []
  for (const item of batch.items) {
    if (await isReplayable(app, stage.name, item, lineage)) items.push(item)
    else all.notAtHand.add(item.id)
  }
  if (items.length === 0) return
  const recorded = await recordedContext(app, { ...batch, items }, lineage, signal)
  let outcome: Outcome<unknown>
  try {
    outcome = await stage.handle({ ...batch, items }, recorded.run)
  } catch (thrown) {
    // Items run one by one to find the input that makes the handler throw.
    if (items.length === 1) all.failed.push({ id: items[0]?.id ?? '', error: asMailError(thrown).message })
    else
      for (const item of items) await runBatch(stage, app, { batch: { ...batch, items: [item] }, lineage, signal, all })
    return
  }
  collect(outcome, all)
  for (const { item, error } of outcome.failed ?? []) {
    if (error === NOT_CACHED) all.notAtHand.add(item.id)
    else if (stage.defer && wasDeferred(lineage, item)) collect(stage.defer(item, error) ?? {}, all)
    else collect(stage.deadLetter(item, error), all)
  }
  for (const id of recorded.notAtHand) all.notAtHand.add(id)
}

function wasDeferred(lineage: Lineage, { id }: Envelope): boolean {
  const [fate] = [cachedMessages, fetchedMessages].flatMap(({ name }) => lineage.at(name, id)?.body ?? [])
  return (fate as SettledId | undefined)?.fate === 'deferred'
}

function collect({ deliveries = [], facts = [] }: Outcome<unknown>, all: Emitted): void {
  all.deliveries.push(...deliveries)
  all.facts.push(...facts)
}

function deliveriesOf(fact: Fact): Delivery[] {
  if (fact.fact === 'page-listed') return fact.next ? [fact.next] : []
  if (fact.fact === 'thread-released' || fact.fact === 'thread-settled') return fact.delivery ? [fact.delivery] : []
  return []
}

// A window is joined from all its fates, even when the selection names only some of them.
async function wholeWindows(
  app: AppContext,
  stage: Stage,
  { chosen, selection, signal }: { chosen: readonly Recorded[]; selection: Selection; signal: AbortSignal },
): Promise<Recorded[]> {
  const windows = new Set(chosen.map(({ envelope }) => windowName(envelope)))
  const all = await selectInputs(app, stage, { mailbox: selection.mailbox }, signal)
  return all.filter(({ envelope }) => windows.has(windowName(envelope)))
}

// In production the commit writes `merged` once a window is complete; a dry run derives it from the handler's facts.
async function mergedNow(
  app: AppContext,
  all: Emitted,
  { selection, signal }: { selection: Selection; signal: AbortSignal },
): Promise<Delivery[]> {
  const windows = new Map<string, { from: Envelope; window: string; fates: KnownFate[] }>()
  for (const fact of all.facts) {
    if (fact.fact !== 'fate-known') continue
    const { from, window } = fact
    const known = windows.get(`${from.run} ${window}`) ?? { from, window, fates: [] }
    windows.set(`${from.run} ${window}`, known)
    known.fates.push(fact)
  }
  const runs = new Set([...windows.values()].map(({ from }) => from.run))
  const listings = await readListings(app, runs, { mailbox: selection.mailbox, signal })
  return [...windows].flatMap(([name, { from, window, fates }]) => {
    const listing = listings.get(name)
    const id = `${from.run}/${window}`
    if (!listing || listing.places.size < listing.of) all.notAtHand.add(id)
    const body = listing && joinWindow(window, listing, fates)
    return body ? [follow(from, merged, id, body, app.now())] : []
  })
}

// The commit drops tasks of versions that were dispatched before or superseded in flight, so a dry run drops them too.
async function withoutRepeats(
  app: AppContext,
  now: readonly Emission[],
  { lineage, selection, signal }: { lineage: Lineage; selection: Selection; signal: AbortSignal },
): Promise<Emission[]> {
  const isNew = ({ stream, id }: Emission) => stream === analysisTasks.name && lineage.at(stream, id) === undefined
  if (!now.some(isNew)) return [...now]
  const scope = { mailbox: selection.mailbox, signal }
  const dispatched = new Set<string>()
  for await (const { envelope } of recordedIn(app, analysisTasks, scope)) dispatched.add(envelope.body.task)
  const newest = new Map<string, { entryId: string; version: string }>()
  for await (const { entryId, envelope } of recordedIn(app, threads, scope)) {
    const { thread, version } = envelope.body
    const name = `${envelope.mailbox} ${thread}`
    const known = newest.get(name)
    if (!known || byEntry(known, { entryId }) < 0) newest.set(name, { entryId, version })
  }
  return now.filter(emission => {
    const { task, mailbox, thread, version } = emission.body as Task
    return !isNew(emission) || (!dispatched.has(task) && newest.get(`${mailbox} ${thread}`)?.version === version)
  })
}

function windowName({ run, body }: Envelope): string {
  return `${run} ${(body as SettledId).window}`
}
