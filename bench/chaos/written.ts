import type { AppContext } from '../../pipeline/base/app.ts'
import { LANES, parseEnvelope } from '../../shared/envelope.ts'
import { STAGE_NAMES } from '../../shared/stage.ts'
import { analysisTasks } from '../../shared/streams.ts'
import type { Task } from '../../shared/task/schema.ts'

/** A written task, and the id of its envelope. */
export interface WrittenTask {
  envelope: string
  task: Task
}

/** Reads all tasks of all lanes, in the order of writing within each partition. */
export async function readTasks({ redis, keys }: AppContext): Promise<WrittenTask[]> {
  const streams = keys.partitions.flatMap(partition =>
    LANES.map(lane => keys.stream(partition, analysisTasks.name, lane)),
  )
  const entries = await Promise.all(streams.map(stream => redis.xrange(stream, '-', '+')))
  const written = entries.flat().map(([entryId, fields]) => {
    const { id, body } = parseEnvelope(fields[fields.indexOf('envelope') + 1] ?? '', analysisTasks.body)
    // An entry id is the time and the sequence number of Redis.
    const [ms = 0, count = 0] = entryId.split('-').map(Number)
    return { envelope: id, task: body, ms, count }
  })
  return written.sort((a, b) => a.ms - b.ms || a.count - b.count)
}

/** Returns the ids of all messages in dead letters. */
export async function readDead({ redis, keys }: AppContext): Promise<Set<string>> {
  const streams = keys.partitions.flatMap(partition => STAGE_NAMES.map(stage => keys.dead(partition, stage)))
  const entries = await Promise.all(streams.map(stream => redis.xrange(stream, '-', '+')))
  const bodies = entries.flat().map(([, fields]) => JSON.parse(fields[fields.indexOf('envelope') + 1] || '{}').body)
  return new Set(bodies.flatMap(idsIn))
}

interface Named {
  id: string
}

// A slice holds its ids with their positions.
function idsIn(body: { id?: string; ids?: (string | Named)[]; items?: Named[] } | undefined): string[] {
  const { id, ids = [], items = [] } = body ?? {}
  const listed = [...ids, ...items].map(one => (typeof one === 'string' ? one : one.id))
  return [...(id === undefined ? [] : [id]), ...listed]
}
