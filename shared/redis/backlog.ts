import type { Redis } from 'ioredis'
import { LANES, type Lane } from '../envelope.ts'
import type { StageName } from '../stage.ts'
import type { Stream } from '../streams.ts'
import { readGroup } from './groups.ts'
import type { Keys } from './keys.ts'
import { placesOf } from './waits.ts'

/** The backlog of one stage and lane, in entries (a slice of ids is one); `undefined` where Redis cannot tell. */
export interface Backlog {
  stage: StageName
  lane: Lane
  waiting: number | undefined
  /** The stage has read from each of its streams before. */
  known: boolean
  inWork: number
  delayed: number
  dead: number
}

/** Returns the backlog of these stages over all partitions. */
export async function readBacklog(
  redis: Redis,
  keys: Keys,
  stages: readonly { name: StageName; reads: readonly Stream[] }[],
): Promise<Backlog[]> {
  const rows = stages.flatMap(stage => LANES.map(lane => ({ stage, lane })))
  return Promise.all(
    rows.map(async ({ stage, lane }) => {
      const places = keys.partitions.flatMap(partition => placesOf(keys, partition, { stages: [stage] }))
      const streams = places.filter(place => place.kind === 'stream' && place.lane === lane)
      const delays = places.filter(({ kind }) => kind === 'delay')
      const groups = await Promise.all(streams.map(({ key }) => readGroup(redis, key, stage.name)))
      const dead = () => Promise.all(keys.partitions.map(partition => redis.xlen(keys.dead(partition, stage.name))))
      const waits = groups.map(({ lag }) => lag)
      return {
        stage: stage.name,
        lane,
        known: groups.every(({ exists }) => exists),
        waiting: waits.includes(undefined) ? undefined : sum(waits.map(wait => wait ?? 0)),
        inWork: sum(groups.map(({ pending }) => pending)),
        delayed: lane === 'live' ? sum(await Promise.all(delays.map(({ key }) => redis.zcard(key)))) : 0,
        dead: lane === 'live' ? sum(await dead()) : 0,
      }
    }),
  )
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
