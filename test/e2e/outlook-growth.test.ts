import t from 'tap'
import { openMailboxes } from '../../pipeline/accounts/mailboxes.ts'
import type { Call, Mailbox } from '../../shared/mailbox.ts'
import { createLinks } from '../../shared/redis/links.ts'
import { removeMailbox } from '../../shared/redis/remove.ts'
import type { GraphSimulator } from '../../sim/graph/simulator.ts'
import { randomFrom } from '../../sim/random.ts'
import { testMail, testMailbox } from '../support/mail.ts'
import { BO, BO_ADDRESS, startOutlook } from '../support/outlook.ts'
import { startRedis } from '../support/redis.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())

const FOLDERS = 20
const LOOKS = 500
const DAY_SECONDS = 24 * 3600
const call: Call = { signal: new AbortController().signal, meter: () => undefined }

t.test(`${LOOKS} looks at ${FOLDERS} folders leave at most one lasting link per folder`, async t => {
  const { sim, pipeline } = await startOutlook(t, redis, testMailbox(BO_ADDRESS, 60, 12), { INITIAL_SYNC: 'all' })
  await pipeline.stopStages()
  const { app } = pipeline
  const { config, redis: client, keys } = app
  const mailbox = openMailboxes(config, sim.url, app)(BO)
  const bo = sim.mailbox(BO_ADDRESS)
  const folders = Array.from({ length: FOLDERS - 2 }, (_, index) => `Projects/P${index}`)
  for (const folder of folders) bo.createFolder(folder)
  let cursor = await listed(mailbox, 'pinned:')
  const start = await lasting()
  const random = randomFrom(1)
  for (let look = 0; look < LOOKS; look++) {
    change(sim, look, folders[Math.floor(random() * folders.length)] ?? '')
    cursor = await listed(mailbox, cursor)
  }
  const end = await lasting()
  const all = await client.keys(keys.link(BO, '*'))
  const bytes = await Promise.all(all.map(async key => Number(await client.memory('USAGE', key))))
  t.comment(`${start} links last after the first listing, ${end} after ${LOOKS} looks; ${all.length} in all`)
  t.comment(`${Math.round(sum(bytes) / all.length)} bytes a link`)
  t.ok(end <= FOLDERS + 5, `${end} links last`)

  const links = createLinks(client, keys, BO)
  await removeMailbox(client, keys, BO)
  await links.keep(['what a listing still had to write'])
  await links.keepFolders('and its folders')
  const left = await client.keys(`${config.REDIS_PREFIX}:*`)
  t.same(
    left.filter(key => key.includes(BO)),
    [],
    'no key is left after the removal',
  )

  async function lasting(): Promise<number> {
    const names = await client.keys(keys.link(BO, '*'))
    const left = await Promise.all(names.map(key => client.ttl(key)))
    return left.filter(ttl => ttl < 0 || ttl > 4 * DAY_SECONDS).length
  }
})

t.test('a known message costs little more memory than its ids', async t => {
  const count = 1000
  const { pipeline } = await startOutlook(t, redis, testMailbox(BO_ADDRESS, count, count / 4), { INITIAL_SYNC: 'all' })
  t.match(await pipeline.sync(), { listed: count })
  const { redis: client, keys } = pipeline.app
  const bytesOf = async (pattern: string) => {
    const found = await client.keys(pattern)
    const bytes = await Promise.all(found.map(async key => Number(await client.memory('USAGE', key, 'SAMPLES', 0))))
    return Math.round(sum(bytes) / count)
  }
  const index = await bytesOf(keys.threadsOf(BO))
  const threads = await bytesOf(keys.thread(BO, '*'))
  const cached = await bytesOf(keys.message(BO, '*'))
  t.comment(`bytes a message: ${index} in the index of threads, ${threads} in its thread, ${cached} in the cache`)
  t.ok(index < 250)
  t.ok(threads < 300)
})

/** Lists from a cursor to the end, like list-ids, and returns the new cursor. */
async function listed(mailbox: Mailbox, since: string): Promise<string> {
  for (let page: string | undefined; ; ) {
    const { next, cursor } = await mailbox.changes(since, page, call)
    if (next === undefined) return cursor ?? since
    page = next
  }
}

// Mail arrives, moves and is deleted; occasionally a folder expires, is created or deleted.
function change(sim: GraphSimulator, look: number, folder: string): void {
  const bo = sim.mailbox(BO_ADDRESS)
  sim.deliver(BO_ADDRESS, testMail(60 + look, 12), { folder })
  const [id] = bo.ids('inbox')
  if (look % 7 === 0 && id) bo.move(folder, id)
  if (look % 11 === 0) bo.delete(...bo.ids(folder).slice(0, 1))
  if (look % 50 === 0) bo.expireDelta(folder)
  if (look % 50 === 20) bo.createFolder(`Projects/New ${look}`)
  if (look % 50 === 40) bo.deleteFolder(`Projects/New ${look - 20}`)
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0)
}
