import t from 'tap'
import { openMailboxes } from '../../../pipeline/accounts/mailboxes.ts'
import { loadProviders, PROVIDERS, registryOf } from '../../../pipeline/accounts/providers.ts'
import { requestSync } from '../../../pipeline/accounts/request-sync.ts'
import { openApp } from '../../../pipeline/base/app.ts'
import { createLog } from '../../../pipeline/base/log.ts'
import { STAGES } from '../../../pipeline/base/stages.ts'
import { startStages } from '../../../pipeline/runtime/start-stages.ts'
import { readConfig } from '../../../shared/config.ts'
import type { MailboxId } from '../../../shared/mailbox.ts'
import { connectMailbox } from '../../../shared/redis/mailboxes.ts'
import { listRuns } from '../../../shared/redis/runs.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { redisFor } from '../../support/redis.ts'
import { hidden } from '../../support/surroundings.ts'
import { until } from '../../support/until.ts'
import { BATCH_SIZE, thirdProvider } from './third/descriptor.ts'

const MAILBOX: MailboxId = 'third:ana@example.com'
const MAILS = 5 * BATCH_SIZE

const { server } = await redisFor(t)

t.test('a registered provider syncs through the stages at its own batch size', async t => {
  const config = readConfig({ LOG_LEVEL: 'silent', PARTITIONS: '2', FETCH_BATCH_SIZE: '3', GMAIL_BATCH_SIZE: '4' })
  const app = await openApp(config, server.url)
  const fake = fakeMailbox()
  fake.deliver(MAILS)
  const sizes: number[] = []
  fake.before = (kind, wanted) => void (kind === 'fetch' && sizes.push(wanted.length))
  const tokens: string[] = []
  const providers = registryOf([...PROVIDERS.values(), thirdProvider(fake, tokens)])
  const mailboxes = openMailboxes(config, undefined, app, await loadProviders(providers))
  const { cursor } = await mailboxes(MAILBOX).open({ signal: new AbortController().signal, meter: () => undefined })
  await connectMailbox(app.redis, app.keys, MAILBOX, cursor, app.now())
  const stages = startStages(STAGES, app, { mailboxes, log: createLog(config, 'test', hidden), providers })
  t.teardown(async () => {
    await stages.stop(5000)
    app.close()
  })

  const run = await requestSync(app, MAILBOX)
  const isDone = async () => (await listRuns(app.redis, app.keys, 10)).find(one => one.run === run && one.settled)
  t.match(await until(isDone, 'it is synced'), { listed: MAILS, tasks: MAILS, addsUp: true, fates: { fetched: MAILS } })
  t.same(sizes, Array(5).fill(BATCH_SIZE))
  t.same(tokens, ['a token'])
  t.ok((await app.redis.keys('*sync-metrics:third*')).length > 0, 'its runs are counted under its name')
})

t.test('a mailbox of a provider that is not registered is refused', async t => {
  t.throws(() => openMailboxes(readConfig({}), undefined)(MAILBOX), {
    kind: 'unsupported',
    message: 'no provider is called third: use gmail or outlook',
  })
})
