import { setTimeout as timeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { openMailboxes } from '../../pipeline/accounts/mailboxes.ts'
import { requestSync } from '../../pipeline/accounts/request-sync.ts'
import { type AppContext, openApp } from '../../pipeline/base/app.ts'
import { createLog } from '../../pipeline/base/log.ts'
import { STAGES } from '../../pipeline/base/stages.ts'
import { startGateway } from '../../pipeline/gateway/gateway.ts'
import { startStages } from '../../pipeline/runtime/start-stages.ts'
import { readConfig } from '../../shared/config.ts'
import { addressOf, type MailboxId } from '../../shared/mailbox.ts'
import type { Message } from '../../shared/message.ts'
import { knownMessages } from '../../shared/redis/known.ts'
import { connectMailbox, readMailbox } from '../../shared/redis/mailboxes.ts'
import { threadVersion } from '../../shared/task/task.ts'
import type { GmailSimulator } from '../../sim/gmail/simulator.ts'
import { startGmail } from '../../sim/gmail.ts'
import { randomFrom } from '../../sim/random.ts'
import { logTo } from '../support/gateway.ts'
import { numberedMail, testMailbox } from '../support/mail.ts'
import { startRedis } from '../support/redis.ts'
import { hidden } from '../support/surroundings.ts'
import { until } from '../support/until.ts'

// `BURST_SEEDS=1-50` runs them all, ten at a time, or as many as BURSTS_AT_ONCE says.
const [FIRST = 1, LAST = FIRST] = (process.env.BURST_SEEDS ?? '1-10').split('-').map(Number)
const AT_ONCE = Number(process.env.BURSTS_AT_ONCE ?? 10)
const BURST_MS = 5000
const FEWEST = 10
const MOST = 300
const BEFORE = { messages: 20, threads: 5 }
// A busy machine takes longer; without a later look the wait would be endless.
const PATIENCE_MS = 60_000

const redis = await startRedis()
t.teardown(() => redis.stop())

for (let from = FIRST; from <= LAST; from += AT_ONCE) {
  const seeds = Array.from({ length: Math.min(AT_ONCE, LAST - from + 1) }, (_, place) => from + place)
  const name = `${seeds[0]} to ${seeds.at(-1)}`
  t.test(`all changes of a burst are found soon after (seeds ${name})`, async t => {
    const { sim, app } = await open(t, seeds.map(addressFor))
    const before = sim.pushes.counts()
    await Promise.all(
      seeds.map(async seed => {
        const changes = await burst(sim, seed)
        const overAt = Date.now()
        const isWhole = async () => (await lacksOf(app, sim, mailboxFor(seed))).length === 0
        await until(isWhole, `seed ${seed}: all is found`, PATIENCE_MS).catch(async () =>
          t.same(await lacksOf(app, sim, mailboxFor(seed)), [], `seed ${seed}`),
        )
        t.comment(`seed ${seed}: ${changes} changes, all found ${Date.now() - overAt} ms after the last`)
      }),
    )
    const { published, tooSoon } = sim.pushes.counts()
    t.comment(`${published - before.published} pushes, ${tooSoon - before.tooSoon} dropped by Gmail`)
    t.ok(tooSoon > before.tooSoon, 'Gmail was silent about some')
  })
}

/** Changes a mailbox at random for a while, and returns the number of changes. */
async function burst(sim: GmailSimulator, seed: number): Promise<number> {
  const random = randomFrom(seed)
  const address = addressFor(seed)
  const there = sim.mailbox(address)
  const count = FEWEST + Math.floor(random() * (MOST - FEWEST + 1))
  // Some bursts are even, others clustered.
  const clusters = Array.from({ length: 1 + Math.floor(random() * 6) }, () => random() * BURST_MS)
  const moment = () => {
    const cluster = clusters[Math.floor(random() * clusters.length)] ?? 0
    return seed % 2 === 0 ? random() * BURST_MS : Math.min(BURST_MS, cluster + random() * 200)
  }
  const moments = Array.from({ length: count }, moment).sort((a, b) => a - b)
  const label = there.createLabel('Rome')
  let mails = 0
  const deliver = (answers?: number) => {
    mails += 1
    // Gmail assigns the ids: the numbers only say which mail replies to which.
    sim.deliver(address, numberedMail(1000 + mails, answers))
  }
  const startedAt = Date.now()
  for (const at of moments) {
    const waitMs = startedAt + at - Date.now()
    if (waitMs > 0) await timeout(waitMs)
    const ids = there.ids()
    const one = ids[Math.floor(random() * ids.length)]
    const dice = random()
    if (dice < 0.35 || one === undefined) deliver()
    else if (dice < 0.6) deliver(mails > 0 && random() < 0.8 ? 1001 + Math.floor(random() * mails) : 0)
    else if (dice < 0.7) there.modify([one], { add: [label] })
    else if (dice < 0.78) there.modify([one], { remove: [label, 'UNREAD'] })
    else if (dice < 0.84) there.modify([one], { add: ['STARRED'], remove: ['INBOX'] })
    else if (dice < 0.9) there.trash(one)
    else if (dice < 0.93) there.untrash(one)
    else there.delete(one)
  }
  return count
}

/** Returns messages that are known but deleted, present but unknown, or dispatched in an outdated version. */
async function lacksOf(app: AppContext, sim: GmailSimulator, mailbox: MailboxId): Promise<string[]> {
  const { redis: client, keys, config } = app
  const there = sim.mailbox(addressOf(mailbox))
  const left = new Set(there.ids().filter(id => !there.labelsOf(id).some(label => label === 'TRASH')))
  const threads = new Map<string, string[]>()
  const lacking: string[] = []
  for await (const { id, thread } of knownMessages(client, keys, mailbox)) {
    if (!left.delete(id)) lacking.push(`${id} is known and gone`)
    threads.set(thread, [...(threads.get(thread) ?? []), id])
  }
  if (lacking.length + left.size > 0) return [...lacking, ...[...left].map(id => `${id} is not known`)]
  const options = { tokens: config.TASK_TOKENS, promptVersion: config.PROMPT_VERSION, model: config.AI_MODEL[0] ?? '' }
  for (const [thread, ids] of threads) {
    const messages = ids.map(id => ({ id, labels: there.labelsOf(id) }) as Message)
    const dispatched = await client.hget(keys.thread(mailbox, thread), 'dispatched')
    if (dispatched !== threadVersion(messages, options)) lacking.push(`${thread} was not dispatched as it is`)
  }
  return lacking
}

async function open(t: Test, addresses: readonly string[]): Promise<{ sim: GmailSimulator; app: AppContext }> {
  await redis.client.flushall()
  const to = { audience: 'https://mail.example.com/push', serviceAccount: 'push@simulated.iam.gserviceaccount.com' }
  const mailboxes = addresses.map(address => testMailbox(address, BEFORE.messages, BEFORE.threads))
  const sim = await startGmail({ profile: 'instant', mailboxes })
  const config = readConfig({
    LOG_LEVEL: 'silent',
    GATEWAY_HOST: '127.0.0.1',
    // Three hundred mails in a minute exceed Google's quota.
    GMAIL_USER_UNITS: '1000000',
    GMAIL_PUBSUB_TOPIC: 'projects/project/topics/gmail',
    GMAIL_PUSH_AUDIENCE: to.audience,
    GMAIL_PUSH_SERVICE_ACCOUNT: to.serviceAccount,
    GMAIL_PUSH_CERTS_URL: `${sim.url}/oauth2/v3/certs`,
  })
  const app = await openApp(config, redis.url)
  const reach = openMailboxes(config, sim.url)
  const stages = startStages(STAGES, app, { mailboxes: reach, log: createLog(config, 'test', hidden) })
  const gateway = await startGateway(app, { port: 0, log: logTo([]) })
  t.teardown(async () => {
    await gateway.stop(2000)
    await stages.stop(5000)
    app.close()
    await sim.close()
  })
  sim.pushes.set({ to: { url: `http://127.0.0.1:${gateway.port}/gmail/push`, ...to } })
  const call = { signal: new AbortController().signal, meter: () => undefined }
  await Promise.all(
    addresses.map(async address => {
      const mailbox: MailboxId = `gmail:${address}`
      const { cursor } = await reach(mailbox).open(call)
      await connectMailbox(app.redis, app.keys, mailbox, cursor, app.now())
      await requestSync(app, mailbox)
      await until(async () => (await readMailbox(app.redis, app.keys, mailbox))?.synced, `${address} is synced`)
      await reach(mailbox).watch(call)
    }),
  )
  return { sim, app }
}

function addressFor(seed: number): string {
  return `seed-${seed}@example.com`
}

function mailboxFor(seed: number): MailboxId {
  return `gmail:${addressFor(seed)}`
}
