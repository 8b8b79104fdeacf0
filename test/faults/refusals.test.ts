import t, { type Test } from 'tap'
import { stateOf } from '../../pipeline/base/mailbox-state.ts'
import { faultyFolders } from '../../pipeline/commands/folder-state.ts'
import { createProbing } from '../../pipeline/keeper/probing.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import type { Denial } from '../../sim/denials.ts'
import { startGmail } from '../../sim/gmail.ts'
import { startGraph } from '../../sim/graph.ts'
import { logTo } from '../support/gateway.ts'
import { testMail, testMailbox } from '../support/mail.ts'
import { type Many, startMany } from '../support/many.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const MESSAGES = 12
const MINUTE_MS = 60_000
const redis = await startRedis()
t.teardown(() => redis.stop())

const gmail = await startGmail({ profile: 'instant', mailboxes: boxes() })
const graph = await startGraph({ profile: 'instant', mailboxes: boxes() })
t.teardown(() => Promise.all([gmail.close(), graph.close()]))
t.afterEach(() => {
  gmail.faults.set({})
  graph.faults.set({})
})

const SIDES = [
  { provider: 'gmail', sim: gmail, everything: '/gmail/v1/users/', messages: ['/messages/', '/threads/'] },
  { provider: 'outlook', sim: graph, everything: '/v1.0/', messages: ['/messages'] },
] as const

const ACCOUNTS: readonly [string, (typeof SIDES)[number]['provider'], Omit<Denial, 'path'>, RegExp][] = [
  [
    'Gmail is off',
    'gmail',
    { status: 400, reason: 'failedPrecondition', message: 'Mail service not enabled' },
    /turn it on/,
  ],
  [
    'delegation is denied',
    'gmail',
    { status: 403, reason: 'forbidden', message: 'Delegation denied for x' },
    /delegated/,
  ],
  ['the user is suspended', 'gmail', { status: 403, reason: 'forbidden', message: 'User suspended' }, /suspended/],
  ['the mailbox has no licence', 'outlook', { status: 404, reason: 'MailboxNotEnabledForRESTAPI' }, /licence/],
  ['the account is suspended', 'outlook', { status: 403, reason: 'ErrorAccountSuspend' }, /suspended/],
]

for (const [what, provider, refusal, says] of ACCOUNTS) {
  t.test(`${provider}: ${what} parks with a remedy and recovers automatically`, async t => {
    const { sim, everything } = sideOf(provider)
    await parkedAndWell(t, provider, [{ ...refusal, path: everything }], says, () => sim.faults.set({}))
  })
}

for (const provider of ['gmail', 'outlook'] as const) {
  t.test(`${provider}: 403 for every message parks without dead letters`, async t => {
    const { sim, messages } = sideOf(provider)
    const refusal = { status: 403, reason: provider === 'gmail' ? 'forbidden' : 'ErrorAccessDenied' }
    const denials = messages.map(path => ({ ...refusal, path }))
    await parkedAndWell(t, provider, denials, /403/, () => sim.faults.set({}))
  })

  t.test(`${provider}: briefly refused access tokens park no mailbox`, async t => {
    const { sim } = sideOf(provider)
    const [ana, bo] = idsOf(provider)
    const many = await startMany(t, redis, { simUrl: sim.url, ids: [ana, bo] })
    sim.faults.set({ rates: { 'token-expired': 1 } })
    await Promise.all([many.sync(ana), many.sync(bo)])
    await until(() => sim.faults.counts()['token-expired'] >= 4, 'each was refused, and tried again')
    t.equal((await many.record(ana))?.needsReauth, undefined)
    sim.faults.set({ rates: { 'token-expired': 0.2 } })
    for (const id of [ana, bo]) await until(async () => (await many.taskedIds(id)).size === MESSAGES, `all of ${id}`)
    t.equal(await many.dead(), 0)
    t.same([(await many.record(ana))?.needsReauth, (await many.record(bo))?.needsReauth], [undefined, undefined])
    await until(async () => (await redis.client.keys('*token-refused*')).length === 0, 'no refusal is remembered')
  })
}

for (const [status, reason] of [
  [500, 'ErrorInternalServerError'],
  [403, 'ErrorAccessDenied'],
  [400, 'ErrorInvalidRequest'],
] as const) {
  t.test(`outlook: a folder answering ${status} affects only itself until it recovers`, async t => {
    const [, bo] = idsOf('outlook')
    const address = 'bo@example.com'
    const box = graph.mailbox(address)
    const folder = box.createFolder(`Receipts ${status}`)
    const late = box.deliver(testMail(500 + status, 2000), { folder })
    t.teardown(() => box.deleteFolder(folder))
    graph.faults.set({ denials: [{ path: `${folder}/messages/delta`, status, reason }] })
    const many = await startMany(t, redis, { simUrl: graph.url, ids: [bo] })
    await many.sync(bo)
    await until(async () => (await many.taskedIds(bo)).size >= MESSAGES, 'all mail of other folders')
    await until(async () => (await many.record(bo))?.activeRun === undefined, 'the run ends')
    const { app } = many
    t.match(await faultyFolders(app, bo), [{ folder, name: `Receipts ${status}`, reason: new RegExp(`${status}`) }])
    t.equal(await many.dead(), 0)

    const another = box.deliver(testMail(700, 2000), { folder: 'inbox' })
    await many.sync(bo)
    await until(async () => (await many.taskedIds(bo)).has(another.id), 'new mail arrives meanwhile')
    graph.faults.set({})
    await comeDue(many, bo)
    await until(async () => (await many.taskedIds(bo)).has(late.id), 'its mail arrives automatically')
    t.same(await faultyFolders(app, bo), [])
    box.delete(another.id)
  })
}

t.test('outlook: a mailbox that moves to application access is relisted automatically', async t => {
  const [, bo] = idsOf('outlook')
  const box = graph.mailbox('bo@example.com')
  const owner = await startMany(t, redis, { simUrl: graph.url, ids: [bo] })
  await owner.sync(bo)
  await until(async () => (await owner.taskedIds(bo)).size >= MESSAGES, 'the first sync')
  await until(async () => (await owner.record(bo))?.activeRun === undefined, 'its end')
  const prefix = owner.app.config.REDIS_PREFIX
  await owner.stop()
  const fresh = box.deliver(testMail(900, 2000), { folder: 'inbox' })
  t.teardown(() => box.delete(fresh.id))
  const settings = {
    OUTLOOK_MAILBOXES: 'bo@example.com',
    OUTLOOK_CLIENT_SECRET: 'simulated',
    OUTLOOK_TENANT: 'example.com',
  }
  const application = await startMany(t, redis, { simUrl: graph.url, ids: [bo], settings, prefix })
  await application.sync(bo)
  await until(async () => (await application.taskedIds(bo)).has(fresh.id), 'new mail arrives')
  t.equal(await application.dead(), 0)
  t.same(await faultyFolders(application.app, bo), [])
})

async function parkedAndWell(
  t: Test,
  provider: 'gmail' | 'outlook',
  refusals: readonly Denial[],
  says: RegExp,
  heal: () => void,
): Promise<void> {
  const { sim } = sideOf(provider)
  const [ana, bo] = idsOf(provider)
  const many = await startMany(t, redis, { simUrl: sim.url, ids: [ana, bo] })
  sim.faults.set({ denials: refusals.map(one => ({ ...one, addresses: ['ana@example.com'] })) })
  await Promise.all([many.sync(ana), many.sync(bo)])
  await until(async () => (await many.taskedIds(bo)).size === MESSAGES, 'the other mailbox is done')
  const parked = await until(async () => {
    const record = await many.record(ana)
    return record?.needsReauth === undefined ? undefined : record
  }, 'it is parked')
  t.match(stateOf(parked), says)
  t.equal(await many.dead(), 0, 'nothing is dead-lettered')

  const clock = { ms: Date.now() }
  const app = { ...many.app, now: () => clock.ms }
  const { mailboxes } = many
  const probe = createProbing(app, { mailboxes, everyMs: 60 * MINUTE_MS, roundMs: MINUTE_MS, log: logTo([]) })
  await probe(async () => true)
  t.equal((await many.record(ana))?.probedAt, undefined, 'not before its time')
  heal()
  clock.ms += 60 * MINUTE_MS
  await probe(async () => true)
  t.equal((await many.record(ana))?.needsReauth, undefined)
  await until(async () => (await many.taskedIds(ana)).size === MESSAGES, 'all its mail')
  t.equal(await many.dead(), 0)
}

/** Makes the work that waits for a folder due now. */
async function comeDue({ app: { redis, keys } }: Many, mailbox: MailboxId): Promise<void> {
  for (const [folder, text] of Object.entries(await redis.hgetall(keys.folderFaults(mailbox))))
    await redis.hset(keys.folderFaults(mailbox), folder, JSON.stringify({ ...JSON.parse(text), tryAt: 0 }))
  const delays = keys.delay('p00', 'list-ids')
  const waiting = await until(async () => {
    const members = await redis.zrange(delays, '0', '-1')
    return members.length > 0 ? members : undefined
  }, 'a look is planned')
  // As a stage does after its wait of a minute.
  for (const member of waiting) {
    const cut = member.indexOf('\n')
    await redis.xadd(member.slice(0, cut), '*', 'envelope', member.slice(cut + 1))
    await redis.zrem(delays, member)
  }
}

function boxes() {
  return ['ana@example.com', 'bo@example.com'].map(address => testMailbox(address, MESSAGES, 4))
}

function sideOf(provider: 'gmail' | 'outlook') {
  const [first, second] = SIDES
  return provider === 'gmail' ? first : second
}

function idsOf(provider: 'gmail' | 'outlook'): [MailboxId, MailboxId] {
  return [`${provider}:ana@example.com`, `${provider}:bo@example.com`]
}
