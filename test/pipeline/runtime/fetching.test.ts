import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { requestSync } from '../../../pipeline/accounts/request-sync.ts'
import { openApp } from '../../../pipeline/base/app.ts'
import { createLog } from '../../../pipeline/base/log.ts'
import { STAGES } from '../../../pipeline/base/stages.ts'
import { startStages } from '../../../pipeline/runtime/start-stages.ts'
import { readConfig } from '../../../shared/config.ts'
import { type MailboxId, providerOf } from '../../../shared/mailbox.ts'
import { connectMailbox } from '../../../shared/redis/mailboxes.ts'
import { listRuns } from '../../../shared/redis/runs.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { redisFor } from '../../support/redis.ts'
import { hidden } from '../../support/surroundings.ts'
import { until } from '../../support/until.ts'

const MAILS = 120
const MAILBOXES: readonly MailboxId[] = ['gmail:ana@example.com', 'outlook:ana@example.com']
// Calls that are in flight together wait for one another; beyond the set number none may join them in this time.
const TOGETHER_WITHIN_MS = 3000
const NO_MORE_WITHIN_MS = 40

const { server } = await redisFor(t)

interface Expected {
  size: number
  atOnce: number
}

const cases: { what: string; settings: Record<string, string>; gmail: Expected; outlook: Expected }[] = [
  { what: 'nothing', settings: {}, gmail: { size: 20, atOnce: 3 }, outlook: { size: 20, atOnce: 3 } },
  {
    what: 'FETCH_BATCH_SIZE and FETCH_CONCURRENCY, for both providers',
    settings: { FETCH_BATCH_SIZE: '10', FETCH_CONCURRENCY: '2' },
    gmail: { size: 10, atOnce: 2 },
    outlook: { size: 10, atOnce: 2 },
  },
  {
    what: 'the settings of Gmail, for Gmail alone',
    settings: { GMAIL_BATCH_SIZE: '30', GMAIL_MAX_CONCURRENT_BATCHES: '4' },
    gmail: { size: 30, atOnce: 4 },
    outlook: { size: 20, atOnce: 3 },
  },
  {
    what: 'the settings of Outlook, for Outlook alone',
    settings: { OUTLOOK_BATCH_SIZE: '15', OUTLOOK_MAX_CONCURRENT_BATCHES: '1', FETCH_BATCH_SIZE: '60' },
    gmail: { size: 60, atOnce: 2 },
    outlook: { size: 15, atOnce: 1 },
  },
  {
    what: 'more than a batch at Outlook may hold',
    settings: { FETCH_BATCH_SIZE: '40' },
    gmail: { size: 40, atOnce: 3 },
    outlook: { size: 20, atOnce: 3 },
  },
]

for (const { what, settings, gmail, outlook } of cases) {
  t.test(`batches are as large, and so many at a time, as is set: ${what}`, async t => {
    const expected: Record<string, Expected> = { gmail, outlook }
    const fetched = await fetching(t, settings, expected)
    for (const mailbox of MAILBOXES) {
      const { size = 0, atOnce = 0 } = expected[providerOf(mailbox)] ?? {}
      const { sizes, peak } = fetched.get(mailbox) ?? {}
      t.same(sizes, Array(MAILS / size).fill(size), `messages a call of ${mailbox}`)
      t.equal(peak, atOnce, `calls at a time of ${mailbox}`)
    }
  })
}

/** Syncs a new mailbox at each provider, both at once; the size of each fetch, and how many were in flight together. */
async function fetching(t: Test, settings: Record<string, string>, expected: Record<string, Expected>) {
  const config = readConfig({ LOG_LEVEL: 'silent', PARTITIONS: '1', ...settings })
  const app = await openApp(config, server.url)
  const fetched = new Map(MAILBOXES.map(mailbox => [mailbox, { sizes: [] as number[], inFlight: 0, peak: 0 }]))
  const fakes = new Map(
    MAILBOXES.map(mailbox => {
      const fake = fakeMailbox()
      fake.deliver(MAILS)
      const { atOnce = 1 } = expected[providerOf(mailbox)] ?? {}
      fake.before = async (kind, wanted) => {
        const seen = fetched.get(mailbox)
        if (kind !== 'fetch' || !seen) return
        seen.sizes.push(wanted.length)
        seen.inFlight += 1
        seen.peak = Math.max(seen.peak, seen.inFlight)
        const until = performance.now() + TOGETHER_WITHIN_MS
        while (seen.peak < atOnce && performance.now() < until) await sleep(5)
        await sleep(NO_MORE_WITHIN_MS)
        seen.inFlight -= 1
      }
      return [mailbox, fake] as const
    }),
  )
  const mailboxes = (mailbox: MailboxId) => fakes.get(mailbox) ?? fakeMailbox()
  const signal = new AbortController().signal
  for (const mailbox of MAILBOXES) {
    const { cursor } = await mailboxes(mailbox).open({ signal, meter: () => undefined })
    await connectMailbox(app.redis, app.keys, mailbox, cursor, app.now())
  }
  const stages = startStages(STAGES, app, { mailboxes, log: createLog(config, 'test', hidden) })
  t.teardown(async () => {
    await stages.stop(5000)
    app.close()
  })
  for (const mailbox of MAILBOXES) await requestSync(app, mailbox)
  const areDone = async () => {
    const runs = await listRuns(app.redis, app.keys, 10)
    return runs.length === MAILBOXES.length && runs.every(({ settled }) => settled)
  }
  await until(areDone, 'both are synced')
  return fetched
}
