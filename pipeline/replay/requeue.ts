import type { Envelope } from '../../shared/envelope.ts'
import { encodePart } from '../../shared/redis/entry.ts'
import { readRun } from '../../shared/redis/runs.ts'
import { requeueEntries } from '../../shared/redis/seed.ts'
import type { Stage, StageName } from '../../shared/stage.ts'
import type { MergedWindow, WatchEvent } from '../../shared/streams.ts'
import type { AppContext } from '../base/app.ts'
import { byEntry, grouped, type Recorded, throwIfStopped } from '../records/recorded.ts'
import { selectInputs } from '../records/selection.ts'

/** The inputs that were requeued, as `id` of the original and of its replay, and those that were left out, with the reason. */
export interface Requeued {
  requeued: readonly { id: string; replay: string }[]
  leftOut: readonly { id: string; why: string }[]
}

interface Replay {
  original: Recorded
  envelope: Envelope
}

const REPLAY = /~replay-(\d+)$/

/**
 * Writes inputs back to their streams for processing, each once, under the id of the original with the suffix `~replay-1` and so on.
 * A watch event starts a new run at the current cursor of its mailbox. Windows are grouped replayId in a new run, so that their original
 * run does not count them twice. All other inputs return to their run, where known fates and dispatched versions have no effect.
 */
export async function requeue(
  app: AppContext,
  stage: Stage,
  inputs: readonly Recorded[],
  signal: AbortSignal,
): Promise<Requeued> {
  const requeued: Requeued['requeued'][number][] = []
  const leftOut: Requeued['leftOut'][number][] = []
  const originals = new Map(inputs.toSorted(byEntry).map(input => [originalId(input.envelope.id), input]))
  const times = await timesReplayed(app, stage, inputs, signal)
  for (const ofRun of grouped([...originals.values()], ({ envelope }) => envelope.run).values()) {
    throwIfStopped(signal)
    const usable: Recorded[] = []
    for (const input of ofRun) {
      const why = await reasonToSkip(app, stage.name, input)
      if (why) leftOut.push({ id: input.envelope.id, why })
      else usable.push(input)
    }
    const count = 1 + Math.max(0, ...usable.map(({ envelope }) => times.get(originalId(envelope.id)) ?? 0))
    const replays = usable.map(original => ({ original, envelope: replayOf(app, stage.name, original, count) }))
    await putBack(app, stage.name, replays)
    requeued.push(...replays.map(({ original, envelope }) => ({ id: original.envelope.id, replay: envelope.id })))
  }
  return { requeued, leftOut }
}

async function reasonToSkip(
  { redis, keys }: AppContext,
  stage: StageName,
  { envelope }: Recorded,
): Promise<string | undefined> {
  const { body, run, mailbox } = envelope
  // A page that is listed twice in one run counts its ids twice.
  if (stage === 'list-ids')
    return (body as WatchEvent).page && 'a page belongs to its run: requeue the watch event that started the run'
  if (isWindow(stage, body)) return (body as MergedWindow).context ? 'a context window releases no thread' : undefined
  return (await readRun(redis, keys, keys.partitionOf(mailbox), run)) ? undefined : 'its run has expired'
}

function replayOf({ now }: AppContext, stage: StageName, { envelope }: Recorded, count: number): Envelope {
  const replayId = (id: string) => `${originalId(id)}~replay-${count}`
  const id = replayId(envelope.id)
  const own = stage === 'list-ids' ? { run: id } : isWindow(stage, envelope.body) ? { run: replayId(envelope.run) } : {}
  return { ...envelope, ...own, id, at: now(), attempt: 0, replayOf: originalId(envelope.id) }
}

async function putBack(app: AppContext, stage: StageName, replays: readonly Replay[]): Promise<void> {
  const [first] = replays
  if (!first) return
  const { mailbox, run } = first.envelope
  const windows = replays.flatMap(({ envelope }) =>
    isWindow(stage, envelope.body) ? [envelope.body as MergedWindow] : [],
  )
  const entries = replays.map(({ original, envelope }) => ({
    key: original.key,
    text: encodePart(original, [envelope]),
  }))
  await requeueEntries(app, { run, mailbox }, { windows, entries })
}

async function timesReplayed(
  app: AppContext,
  stage: Stage,
  inputs: readonly Recorded[],
  signal: AbortSignal,
): Promise<Map<string, number>> {
  const times = new Map<string, number>()
  for (const mailbox of new Set(inputs.map(({ envelope }) => envelope.mailbox))) {
    for (const { envelope } of await selectInputs(app, stage, { mailbox }, signal)) {
      const [, count = '0'] = REPLAY.exec(envelope.id) ?? []
      const id = originalId(envelope.id)
      times.set(id, Math.max(times.get(id) ?? 0, Number(count)))
    }
  }
  return times
}

function originalId(id: string): string {
  return id.replace(REPLAY, '')
}

function isWindow(stage: StageName, body: unknown): boolean {
  return stage === 'thread-group' && !(body as MergedWindow).release
}
