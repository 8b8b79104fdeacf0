import t, { type Test } from 'tap'
import { openMailboxes } from '../../pipeline/accounts/mailboxes.ts'
import { PROVIDERS } from '../../pipeline/accounts/providers.ts'
import { openQuotas } from '../../pipeline/accounts/quotas.ts'
import { status } from '../../pipeline/commands/status.ts'
import { pacesOf } from '../../pipeline/runtime/paces.ts'
import { readConfig } from '../../shared/config.ts'
import { createKeys } from '../../shared/redis/keys.ts'
import type { QuotaSettings } from '../../sim/gmail/quota-settings.ts'
import { startGmail } from '../../sim/gmail.ts'
import { batchFetch } from '../../stages/batch-fetch.ts'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { logTo } from '../support/gateway.ts'
import { testMailbox } from '../support/mail.ts'
import { ANA, startPipeline } from '../support/pipeline.ts'
import { startRedis } from '../support/redis.ts'
import { contextFor } from '../support/surroundings.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())

const ADDRESS = 'ana@example.com'
const MESSAGES = 60

// Reads a mailbox of single-message threads under these settings, and collects the log lines about quota.
async function reading(t: Test, settings: Record<string, string>, quota?: QuotaSettings) {
  const mailboxes = [testMailbox(ADDRESS, MESSAGES, MESSAGES)]
  const sim = await startGmail({ profile: 'instant', mailboxes, ...(quota ? { quota } : {}) })
  t.teardown(() => sim.close())
  const config = readConfig(settings)
  const reported: string[] = []
  const books = { redis: redis.client, keys: createKeys(t.name, 2), config }
  const ofMailbox = openQuotas(books, { log: logTo(reported) })(ANA)
  if (!ofMailbox) throw new Error('no quota of the mailbox')
  const mailbox = openMailboxes(config, sim.url)(ANA)
  const signal = new AbortController().signal
  const fetch = async () => {
    const wanted = sim
      .mailbox(ADDRESS)
      .ids()
      .map(id => ({ id, thread: id, alone: true }))
    const answers = await mailbox.fetch(wanted.slice(0, config.GMAIL_BATCH_SIZE), {
      signal,
      meter: () => undefined,
      quota: ofMailbox,
    })
    return [...answers.values()].map(({ outcome }) => outcome)
  }
  return { sim, config, reported, quota: ofMailbox, fetch }
}

t.test('GMAIL_BATCH_SIZE sets the size of a batch', async t => {
  for (const size of [1, 20, 30, 60]) {
    await t.test(`${size}`, async t => {
      const { sim, fetch, reported } = await reading(t, { GMAIL_BATCH_SIZE: `${size}` })
      sim.resetCalls()
      t.same(await fetch(), Array(size).fill('ok'))
      t.match(sim.calls(), size === 1 ? { single: 1, batch: 0 } : { single: 0, batch: 1, parts: size })
      t.same(reported, [])
    })
  }
})

t.test('GMAIL_MAX_CONCURRENT_BATCHES sets the number of concurrent batches', async t => {
  for (const batches of [1, 3, 6]) {
    await t.test(`${batches}`, async t => {
      const settings = { GMAIL_BATCH_SIZE: '20', GMAIL_MAX_CONCURRENT_BATCHES: `${batches}` }
      const { config, quota } = await reading(t, settings)
      t.match(pacesOf(batchFetch, config, PROVIDERS).of(ANA), { size: 20, concurrency: batches })
      for (let batch = 0; batch < batches; batch += 1)
        t.match(await quota.reserve({ units: 400, requests: 20 }), { permit: 'go' })
      t.match(await quota.reserve({ units: 20, requests: 1 }), { permit: 'wait' })
    })
  }
})

t.test('batches are split after Google refuses concurrent requests', async t => {
  const settings = { GMAIL_BATCH_SIZE: '60', GMAIL_MAX_CONCURRENT_BATCHES: '1' }
  const { sim, fetch, reported } = await reading(t, settings, { userUnitsPerMinute: 100_000, concurrent: 50 })
  t.equal((await fetch()).filter(outcome => outcome === 'throttled').length, 10)
  sim.resetCalls()
  for (let turn = 0; turn < 3; turn += 1) t.same(await fetch(), Array(60).fill('ok'))
  t.match(sim.calls(), { batch: 6, parts: 180 })
  t.match(sim.quota.counts(ADDRESS), { refused: { concurrent: 10 }, peakConcurrent: 50 })
  t.equal(reported.length, 1)
  t.match(reported[0], /^warn .*"mailbox":"gmail:ana@example.com","requests":30,"set":60/)
  t.match(
    reported[0],
    'gmail:ana@example.com: Google refused requests because too many were in flight; at most 30 are sent at a time now, ' +
      'not the 60 of GMAIL_BATCH_SIZE × GMAIL_MAX_CONCURRENT_BATCHES; larger batches are split. ' +
      'The set number returns after a day without such a refusal',
  )
})

t.test('status shows mailboxes with reduced concurrency and since when', async t => {
  const pipeline = await startPipeline(redis, fakeMailbox())
  t.teardown(() => pipeline.stop())
  const { config } = pipeline.app
  const shown = async (json: boolean) => {
    const printed: string[] = []
    const { signal } = new AbortController()
    const print = (text: string) => void printed.push(text)
    await status(contextFor({ config: { ...config, REDIS_URL: redis.url }, json, signal, print }))
    return printed.join('\n')
  }
  t.same(JSON.parse(await shown(true)).narrowed, [])
  t.notMatch(await shown(false), 'concurrent requests')
  const before = Date.now()
  const leave = await openQuotas(pipeline.app)(ANA)?.reserve({ units: 60, requests: 60 })
  if (leave?.permit !== 'go') throw new Error(JSON.stringify(leave))
  await leave.settle({ units: 50, refused: 'concurrency' })
  const { narrowed } = JSON.parse(await shown(true))
  t.match(narrowed, [{ mailbox: ANA, requests: 30, set: 60 }])
  const [{ since }] = narrowed
  t.ok(since >= before - 1 && since <= Date.now() + 1, `${since}`)
  const at = new Date(since).toISOString().replace('T', ' ').slice(0, 16)
  t.match(
    await shown(false),
    `gmail:ana@example.com: 30 concurrent requests instead of 60, because the provider refused more at ${at} UTC; ` +
      'back to 60 after a day without such a refusal',
  )
})
