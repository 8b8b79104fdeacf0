import t from 'tap'
import type { MailboxId } from '../../../shared/mailbox.ts'
import type { MessageId } from '../../../shared/message.ts'
import { createCache } from '../../../shared/redis/cache.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { connectMailbox } from '../../../shared/redis/mailboxes.ts'
import { loadMail } from '../../../sim/mbox.ts'
import { corpus } from '../../sim/client.ts'
import { startRedis } from '../../support/redis.ts'
import { openSimulatedGmail } from '../../support/simulated-gmail.ts'
import { openCall } from '../gmail/google.ts'

const list = corpus('mailing-list.mbox')
const MEDIAN_BYTES = 4096

t.test('half of a real list takes at most 4 KiB a message in Redis, with texts', { skip: list.skip }, async t => {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const { client } = redis
  const { mailbox, address } = await openSimulatedGmail(t, await loadMail(list.path))
  const id: MailboxId = `gmail:${address}`
  const keys = createKeys('list', 1)
  await connectMailbox(client, keys, id, 'history:1', 0)
  const cache = createCache(client, keys, { mailbox: id, ttlSeconds: 3600, texts: true })
  const { cursor } = await mailbox.open(openCall())
  const sizes: number[] = []
  let units = 0
  for (let page: string | undefined, isLast = false; !isLast; ) {
    const { ids, next } = await mailbox.changes(cursor, page, openCall())
    const call = openCall()
    const answers = await mailbox.fetch(ids, call)
    units += call.metered.reduce((sum, [, cost]) => sum + cost, 0)
    const messages = [...answers.values()].flatMap(answer => (answer.outcome === 'ok' ? [answer.message] : []))
    t.ok(messages.every(({ body }) => body !== undefined && !body.isPart))
    await cache.put(messages)
    const bytes = (message: MessageId) => client.memory('USAGE', keys.message(id, message))
    sizes.push(...(await Promise.all(ids.map(async one => (await bytes(one.id)) ?? Number.MAX_SAFE_INTEGER))))
    page = next
    isLast = next === undefined
  }
  t.equal(sizes.length, 2260)
  const inOrder = sizes.sort((a, b) => a - b)
  const median = inOrder[inOrder.length >> 1] ?? 0
  const total = sizes.reduce((sum, one) => sum + one, 0)
  t.comment(
    `median ${median} bytes, mean ${Math.round(total / sizes.length)}, largest ${inOrder.at(-1)}; ${units} units`,
  )
  t.ok(median <= MEDIAN_BYTES, `${median} bytes`)
})
