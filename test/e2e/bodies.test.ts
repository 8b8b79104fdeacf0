import t from 'tap'
import { openMailboxes } from '../../pipeline/accounts/mailboxes.ts'
import { STAGES } from '../../pipeline/base/stages.ts'
import { status } from '../../pipeline/commands/status.ts'
import { dryRun } from '../../pipeline/replay/dry-run.ts'
import { readConfig } from '../../shared/config.ts'
import type { Message } from '../../shared/message.ts'
import { createCache } from '../../shared/redis/cache.ts'
import { analysisTasks } from '../../shared/streams.ts'
import { startGmail } from '../../sim/gmail.ts'
import { memoryMailbox } from '../../sim/mailbox.ts'
import { testMail, testMailbox } from '../support/mail.ts'
import { BO, startOutlook } from '../support/outlook.ts'
import { ANA, startPipeline, type TestPipeline } from '../support/pipeline.ts'
import { startRedis } from '../support/redis.ts'
import { contextFor } from '../support/surroundings.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())
// A message above a kibibyte is compressed.
const MORE = 'There is more to say. '.repeat(60).trim()
const PREFIX = { REDIS_PREFIX: 'bodies' }

t.test('a change to whole texts refetches the mail of a thread that changes, and no other', async t => {
  const sim = await startGmail({ profile: 'instant', mailboxes: [testMailbox('ana@example.com', 6, 2)] })
  t.teardown(() => sim.close())
  const start = async (MESSAGE_BODY: string) => {
    const settings = { ...PREFIX, MESSAGE_BODY }
    return startPipeline(redis, openMailboxes(readConfig(settings), sim.url)(ANA), { settings })
  }
  const before = await start('snippet')
  t.match(await before.sync(), { listed: 6, tasks: 2 })
  t.match(await shown(before, true), { setting: 'snippet', knownThreads: 2, isCounted: true })
  t.match(
    await shown(before, false),
    'MESSAGE_BODY is snippet. A change of it gives 2 known threads another version; each is then sent again with its next change',
  )
  const first = await before.read(analysisTasks)
  t.ok((await cached(before, false)).every(({ body }) => body === undefined))
  await before.stop()

  const after = await start('text')
  t.teardown(() => after.stop())
  sim.deliver('ana@example.com', testMail(6, 2))
  sim.resetCalls()
  t.match(await after.sync(), { listed: 1, tasks: 1, addsUp: true })
  t.match(sim.calls(), { history: 1, thread: 1 }, 'the three known messages come with one read of their thread')
  t.same(
    (await cached(after, true)).map(({ body }) => body?.text).sort(),
    [0, 2, 4, 6].map(n => `This is mail ${n}.`),
  )
  const [task] = (await after.read(analysisTasks)).filter(({ id }) => !first.some(one => one.id === id))
  t.equal(task?.body.messages.length, 4)
  t.match(await shown(after, false), /MESSAGE_BODY is text\./)
})

t.test("Outlook's texts come with the listing, for the same calls, and pages become text", async t => {
  const mails = Array.from({ length: 50 }, (_, index) => ({
    raw: testMail(index, 10)
      .replace('Subject:', 'Content-Type: text/html\r\nSubject:')
      .replace(/This.*/, text => `<p>${text}<b> ${MORE}</b>`),
    receivedAtMs: 1_790_000_000_000 + index * 60_000,
    labels: ['INBOX'],
  }))
  const calls = []
  for (const MESSAGE_BODY of ['snippet', 'text']) {
    const { sim, pipeline } = await startOutlook(t, redis, memoryMailbox('bo@example.com', mails), { MESSAGE_BODY })
    sim.resetCalls()
    t.match(await pipeline.sync(), { listed: 50, tasks: 10, addsUp: true })
    calls.push(sim.calls())
    if (MESSAGE_BODY === 'snippet') continue
    const { app } = pipeline
    const ids = (await app.redis.keys(`${app.config.REDIS_PREFIX}:*:msg:*`)).map(key => key.split(':').at(-1) ?? '')
    const cache = createCache(app.redis, app.keys, { mailbox: BO, ttlSeconds: 60, texts: true })
    const bodies = [...(await cache.get(ids)).values()].map(({ body }) => body?.text)
    t.same(bodies.sort(), mails.map((_, n) => `This is mail ${n}. ${MORE}`).sort())
    for (const stage of STAGES) {
      const { failed, differences, same } = await dryRun(stage, app, {})
      if (stage.name === 'ai-dispatch') t.equal(same, 10)
      t.same(
        { failed, differences },
        { failed: [], differences: [] },
        `a replay of ${stage.name} reads the cached texts`,
      )
    }
  }
  t.same(calls[1], calls[0])
})

async function cached({ app }: TestPipeline, texts: boolean): Promise<Message[]> {
  const keys = await app.redis.keys('bodies:*:msg:*')
  const ids = keys.map(key => key.split(':').at(-1) ?? '')
  const cache = createCache(app.redis, app.keys, { mailbox: ANA, ttlSeconds: 60, texts })
  return [...(await cache.get(ids)).values()]
}

async function shown({ app }: TestPipeline, json: boolean) {
  const printed: string[] = []
  const { signal } = new AbortController()
  const print = (text: string) => void printed.push(text)
  await status(contextFor({ config: { ...app.config, REDIS_URL: redis.url }, json, signal, print }))
  return json ? JSON.parse(printed.join('\n')).messageBody : printed.join('\n')
}
