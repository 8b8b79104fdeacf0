import { type Envelope, type Lane, parseEnvelope } from '../../shared/envelope.ts'
import { RUN } from '../../shared/redis/schema.ts'
import type { Stage, StageName } from '../../shared/stage.ts'
import {
  analysisResults,
  analysisTasks,
  cachedMessages,
  dueTasks,
  fetchedMessages,
  merged,
  messageIds,
  missingIds,
  type SettledId,
  threads,
  type WatchEvent,
  watchEvents,
} from '../../shared/streams.ts'
import { type Recorded, type Records, recordedIn } from './recorded.ts'

/** An envelope that a stage wrote, or would write, with its stream. */
export interface Emission {
  stream: string
  id: string
  lane: Lane
  body: unknown
}

/** The recorded outputs of a stage for a set of inputs. */
export interface Lineage {
  /** Returns whether an output follows from one of the inputs. */
  follows(stream: string, id: string): boolean
  note(entry: Emission): void
  at(stream: string, id: string): Emission | undefined
  /** Returns the outputs with ids below this one, in the order they were noted. */
  below(stream: string, id: string): readonly Emission[]
  all(): readonly Emission[]
}

interface ExpectedOutput {
  stream: string
  id: string
  /** Matches all ids below this one, instead of the id itself. */
  below: boolean
}

/** Returns the number of the window that a watch event lists. */
export function windowOf(body: unknown): number {
  return (body as WatchEvent).page?.window ?? 1
}

/** Returns the id prefix in `missing-ids` of the context that an envelope requests. */
export function contextOf({ run, id }: Envelope): string {
  return `${run}/context:${id}`
}

/** Returns the id prefix in `missing-ids` of the messages that a watch event verifies. */
export function verificationOf({ run, body }: Envelope): string {
  return `${run}/verify:${windowOf(body)}`
}

/** Creates an empty lineage for these inputs; ids are deterministic for a step, so they alone determine the lineage. */
export function createLineage(stage: StageName, inputs: readonly Recorded[]): Lineage {
  const outputs = inputs.flatMap(({ envelope }) => expectedOutputs(stage, envelope))
  const keyed = (below: boolean) =>
    new Set(outputs.filter(output => output.below === below).map(({ stream, id }) => `${stream} ${id}`))
  const exact = keyed(false)
  const parents = keyed(true)
  const known = new Map<string, Emission>()
  const children = new Map<string, Map<string, Emission>>()
  const parentOf = (stream: string, id: string) => above(id).find(parent => parents.has(`${stream} ${parent}`))

  return {
    follows: (stream, id) => exact.has(`${stream} ${id}`) || parentOf(stream, id) !== undefined,
    note(entry) {
      known.set(`${entry.stream} ${entry.id}`, entry)
      const parent = `${entry.stream} ${parentOf(entry.stream, entry.id)}`
      children.set(parent, (children.get(parent) ?? new Map<string, Emission>()).set(entry.id, entry))
    },
    at: (stream, id) => known.get(`${stream} ${id}`),
    below: (stream, id) => [...(children.get(`${stream} ${id}`)?.values() ?? [])],
    all: () => [...known.values()],
  }
}

/** Reads the outputs of these inputs that a stage's streams still contain. */
export async function readLineage(
  records: Records,
  stage: Stage,
  inputs: readonly Recorded[],
  signal?: AbortSignal,
): Promise<Lineage> {
  const lineage = createLineage(stage.name, inputs)
  const mailboxes = new Set(inputs.map(({ envelope }) => envelope.mailbox))
  for (const mailbox of mailboxes) {
    for (const stream of stage.writes) {
      for await (const entry of recordedIn(records, stream, { mailbox, signal })) {
        if (lineage.follows(entry.stream, entry.envelope.id)) lineage.note(emissionOf(entry))
      }
    }
  }
  if (stage.name === 'list-ids') for (const page of await deferredPages(records, inputs)) lineage.note(page)
  return lineage
}

/** Converts a recorded envelope to an emission. */
export function emissionOf({ stream, envelope }: Pick<Recorded, 'stream' | 'envelope'>): Emission {
  const { id, lane, body } = envelope
  return { stream, id, lane, body }
}

// A page that waits for an earlier window to be merged is stored in its run.
async function deferredPages({ redis, keys }: Records, inputs: readonly Recorded[]): Promise<Emission[]> {
  const runs = new Map(inputs.map(({ envelope }) => [envelope.run, keys.partitionOf(envelope.mailbox)]))
  const texts = await Promise.all([...runs].map(([run, partition]) => redis.hget(keys.run(partition, run), RUN.next)))
  return texts
    .filter(text => text !== null)
    .map(text => emissionOf({ stream: watchEvents.name, envelope: parseEnvelope(text, watchEvents.body) }))
}

function expectedOutputs(stage: StageName, envelope: Envelope): ExpectedOutput[] {
  const { id, run, body } = envelope
  const exactly = (stream: { name: string }, of: string): ExpectedOutput => ({
    stream: stream.name,
    id: of,
    below: false,
  })
  const below = (stream: { name: string }, of: string): ExpectedOutput => ({ stream: stream.name, id: of, below: true })
  switch (stage) {
    case 'list-ids': {
      const window = windowOf(body)
      return [
        below(messageIds, `${run}/${window}`),
        below(missingIds, verificationOf(envelope)),
        exactly(watchEvents, `${run}/page/${window + 1}`),
      ]
    }
    case 'cache-filter':
      return [exactly(cachedMessages, id), exactly(missingIds, id)]
    case 'batch-fetch':
      return [exactly(fetchedMessages, id)]
    case 'merge':
      return [exactly(merged, `${run}/${(body as SettledId).window}`)]
    case 'thread-group':
      return [below(threads, id), below(missingIds, contextOf(envelope))]
    case 'ai-dispatch':
      return [
        exactly(analysisTasks, `${id}/task`),
        exactly(dueTasks, `${id}/task`),
        below(missingIds, contextOf(envelope)),
      ]
    case 'ai-send':
      return [exactly(analysisResults, `${id}/result`)]
  }
}

// A thread id may contain slashes.
function above(id: string): string[] {
  const words = id.split('/')
  return words.slice(1).map((_, index) => words.slice(0, index + 1).join('/'))
}
