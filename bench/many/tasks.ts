import { parseEnvelope } from '../../shared/envelope.ts'
import { analysisTasks } from '../../shared/streams.ts'
import type { Rig } from './rig.ts'

/** A watcher of the tasks of the live lane. */
export interface Tasks {
  /** Resolves to the time of the first task with a message, in ms since 1970; `undefined` if that takes longer than `withinMs`. */
  writtenAt(messageId: string, withinMs: number): Promise<number | undefined>
  stop(): void
}

const BLOCK_MS = 500
const MAX_ENTRIES = 100

/** Starts to watch all tasks of the live lane, existing ones included. */
export function watchTasks({ app, signal, until }: Rig): Tasks {
  const { keys } = app
  // Blocking reads need their own connection.
  const redis = app.openConnection()
  const last = new Map(keys.partitions.map(one => [keys.stream(one, analysisTasks.name, 'live'), '0-0']))
  const writtenAt = new Map<string, number>()
  let failure: unknown
  let isOver = false

  const read = async () => {
    const answer = await redis.xread(
      'COUNT',
      MAX_ENTRIES,
      'BLOCK',
      BLOCK_MS,
      'STREAMS',
      ...last.keys(),
      ...last.values(),
    )
    for (const [stream, entries] of answer ?? []) {
      for (const [entry, [, text = '']] of entries) {
        last.set(stream, entry)
        // Entry ids contain the clock of Redis, which runs on this machine.
        const atMs = Number(entry.split('-')[0])
        for (const { id } of parseEnvelope(text, analysisTasks.body).body.messages) {
          if (!writtenAt.has(id)) writtenAt.set(id, atMs)
        }
      }
    }
  }
  const readAll = async () => {
    while (!isOver && !signal.aborted) await read()
  }
  readAll().catch(error => {
    failure = error
  })

  return {
    async writtenAt(id, withinMs) {
      const deadline = performance.now() + withinMs
      const { atMs } = await until(async () => {
        if (failure !== undefined) throw failure
        const atMs = writtenAt.get(id)
        return atMs !== undefined || performance.now() > deadline ? { atMs } : undefined
      })
      return atMs
    },
    stop() {
      isOver = true
      redis.disconnect()
    },
  }
}
