import type { Envelope } from '../../shared/envelope.ts'
import { encodePart } from '../../shared/redis/entry.ts'
import { mergedWindowFields } from '../../shared/redis/merged-window.ts'
import { readRun } from '../../shared/redis/runs.ts'
import type { Stage, StageName } from '../../shared/stage.ts'
import type { MergedWindow, WatchEvent } from '../../shared/streams.ts'
import type { AppContext } from '../base/app.ts'
import { byEntry, grouped, type Recorded, selectInputs, throwIfStopped } from '../records/recorded.ts'

/** What was put back, as `id` of the original and of its replay, and what was not, with the reason. */
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
 * Puts inputs back into their own streams for real, each once, under the id of the original with `~replay-1` and so on behind it.
 * A watch event asks for a run of its own, from where its mailbox is listed now. Windows are grouped again in a run of their own, so
 * that the run they were listed in is not told of them twice. Everything else goes back into its run, where a fate that is known and
 * a version that was dispatched change nothing.
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
      const why = await reasonAgainst(app, stage.name, input)
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

async function reasonAgainst(
  { redis, keys }: AppContext,
  stage: StageName,
  { envelope }: Recorded,
): Promise<string | undefined> {
  const { body, run, mailbox } = envelope
  // A page listed twice in one run would count its ids twice.
  if (stage === 'list-ids')
    return (body as WatchEvent).page && 'a page follows from its run: requeue the watch event that began it'
  if (isWindow(stage, body))
    return (body as MergedWindow).context ? 'a context window lets no thread go by itself' : undefined
  return (await readRun(redis, keys, keys.partitionOf(mailbox), run)) ? undefined : 'its run is forgotten'
}

function replayOf({ now }: AppContext, stage: StageName, { envelope }: Recorded, count: number): Envelope {
  const again = (id: string) => `${originalId(id)}~replay-${count}`
  const id = again(envelope.id)
  const own = stage === 'list-ids' ? { run: id } : isWindow(stage, envelope.body) ? { run: again(envelope.run) } : {}
  return { ...envelope, ...own, id, at: now(), attempt: 0, replayOf: originalId(envelope.id) }
}

// A run of windows must be there with all of them before the first is grouped.
async function putBack({ redis, keys, now }: AppContext, stage: StageName, replays: readonly Replay[]): Promise<void> {
  const [first] = replays
  if (!first) return
  const { mailbox, run } = first.envelope
  const partition = keys.partitionOf(mailbox)
  const all = redis.multi()
  const windows = replays.filter(({ envelope }) => isWindow(stage, envelope.body)).length
  if (windows > 0) {
    const times = { startedAt: now(), releasedAt: now(), mergedAt: now() }
    const state = { mailbox, cause: 'requeue', listing: 'done', opened: windows, merged: windows }
    all.hset(keys.run(partition, run), { ...state, ...times })
    all.zadd(keys.runs(partition), now(), run)
  }
  for (const { envelope } of replays) {
    if (!isWindow(stage, envelope.body)) continue
    const body = envelope.body as MergedWindow
    all.hset(keys.window(partition, run, body.window), mergedWindowFields(body))
  }
  for (const { original, envelope } of replays)
    all.xadd(original.key, '*', 'envelope', encodePart(original, [envelope]))
  await all.exec()
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
