import { parseEnvelope } from '../../shared/envelope.ts'
import { analysisTasks } from '../../shared/streams.ts'
import type { Rig } from './rig.ts'

/** The tasks of the live lane, as they are written. */
export interface Tasks {
  /** When the first task that holds a message was written, in ms since 1970; `undefined` if that takes longer than `withinMs`. */
  writtenAt(messageId: string, withinMs: number): Promise<number | undefined>
  stop(): void
}

const BLOCK_MS = 500
const MOST_AT_ONCE = 100

/** Begins to watch all tasks of the live lane, those that are there included. */
export function watchTasks({ app, signal, until }: Rig): Tasks {
  const { keys } = app
  // Its reads block.
  const redis = app.openConnection()
  const last = new Map(keys.partitions.map(one => [keys.stream(one, analysisTasks.name, 'live'), '0-0']))
  const writtenAt = new Map<string, number>()
  let failure: unknown
  let isOver = false

  const read = async () => {
    const answer = await redis.xread(
      'COUNT',
      MOST_AT_ONCE,
      'BLOCK',
      BLOCK_MS,
      'STREAMS',
      ...last.keys(),
      ...last.values(),
    )
    for (const [stream, entries] of answer ?? []) {
      for (const [entry, [, text = '']] of entries) {
        last.set(stream, entry)
        // Redis names an entry by its own clock, which is this machine's.
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
