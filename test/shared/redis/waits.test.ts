import { readFileSync } from 'node:fs'
import t from 'tap'
import { STAGES } from '../../../pipeline/base/stages.ts'
import { MailError } from '../../../shared/error.ts'
import { resumeMailbox } from '../../../shared/redis/mailboxes.ts'
import { KINDS_OF_KEYS, placesOf } from '../../../shared/redis/waits.ts'
import { STAGE_NAMES } from '../../../shared/stage.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { ANA, startPipeline, type TestPipeline } from '../../support/pipeline.ts'
import { startCluster } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const redis = await startCluster()
t.teardown(() => redis.stop())

t.test('docs/keys.md describes each kind of key and its recovery', async t => {
  const section = readFileSync('docs/keys.md', 'utf8')
  const rows = [...section.slice(0, section.indexOf('\n## ', 1)).matchAll(/^\| `(\w+)` \| (\w+) \| (.+) \| (.+) \|$/gm)]
  t.same(
    rows.map(([, name, kind]) => `${name} ${kind}`),
    Object.entries(KINDS_OF_KEYS).map(([name, kind]) => `${name} ${kind}`),
  )
  for (const [, name, , holds = '', how = ''] of rows) {
    t.ok(holds.length > 10, `${name} holds ${holds}`)
    t.ok(how.length > 10 || how === 'lost' || how === 'likewise', `${name}: ${how}`)
  }
})

t.test('work waits only in listed places', async t => {
  const mailbox = fakeMailbox(2)
  const pipeline = await startPipeline(redis, mailbox, { only: [] })
  t.teardown(() => pipeline.stop())
  mailbox.deliver(5, 2)
  const run = await pipeline.request()
  await waitsIn(/s:watch-events:bulk$/)
  const refusals: [RegExp, Error][] = [
    [/delay:list-ids$/, new MailError('throttled', 'slow down', { retryAfterMs: 300 })],
    [/parked:/, new MailError('unauthorized', 'no')],
  ]
  for (const [place, error] of refusals) {
    mailbox.before = () => {
      throw error
    }
    pipeline.start(['list-ids'])
    await waitsIn(place)
    await pipeline.stopStages()
  }
  mailbox.before = () => undefined
  await resumeMailbox(pipeline.app.redis, pipeline.app.keys, ANA, { now: pipeline.app.now() })
  const written = ['message-ids', 'missing-ids', 'fetched-messages', 'merged', 'threads']
  for (const [place, stage] of STAGE_NAMES.slice(0, written.length).entries()) {
    pipeline.start([stage])
    await waitsIn(new RegExp(`s:${written[place]}`))
  }

  async function waitsIn(place: RegExp): Promise<void> {
    const found = await until(async () => {
      const keys = await keysWith(pipeline, run)
      return keys.some(({ key }) => place.test(key)) ? keys : undefined
    }, `something waits in ${place}`)
    t.same(
      found.filter(({ isListed }) => !isListed),
      [],
      `${place}`,
    )
  }
})

/** Returns keys that hold an entry of a run, and whether the healing searches them. */
async function keysWith({ app }: TestPipeline, run: string) {
  const { keys, redis: client } = app
  const partition = keys.partitionOf(ANA)
  const places = new Set(placesOf(keys, partition, { stages: STAGES, mailboxes: [ANA] }).map(({ key }) => key))
  const found: { key: string; isListed: boolean }[] = []
  for (const key of await client.keys(`${keys.head(partition)}*`)) {
    const read: Partial<Record<string, () => Promise<unknown>>> = {
      stream: () => client.xrange(key, '-', '+'),
      zset: () => client.zrange(key, '0', '-1'),
      list: () => client.lrange(key, 0, -1),
      string: () => client.get(key),
    }
    const held = JSON.stringify((await read[await client.type(key)]?.()) ?? '')
    if (held.includes(`run\\":\\"${run}`) || held.includes(`run\\\\\\":\\\\\\"${run}`))
      found.push({ key, isListed: places.has(key) })
  }
  return found
}
