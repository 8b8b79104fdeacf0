import t, { type Test } from 'tap'
import { openMailboxes } from '../../pipeline/accounts/mailboxes.ts'
import { unitsSaved } from '../../pipeline/accounts/quotas.ts'
import { readConfig } from '../../shared/config.ts'
import { startGmail } from '../../sim/gmail.ts'
import { loadMail } from '../../sim/mbox.ts'
import { corpus } from '../sim/client.ts'
import { ANA, startPipeline } from '../support/pipeline.ts'
import { startRedis } from '../support/redis.ts'

const list = corpus('mailing-list.mbox')
const MESSAGES = 2260
const LISTING_UNITS = 5 * 5
const ONE_BY_ONE = MESSAGES * 20 + LISTING_UNITS

for (const MESSAGE_BODY of ['snippet', 'text'])
  t.test(
    `a real mailing list costs 0.52 of the units of single fetches, with MESSAGE_BODY=${MESSAGE_BODY}`,
    { skip: list.skip },
    t => countUnits(t, { MESSAGE_BODY }),
  )

async function countUnits(t: Test, settings: { MESSAGE_BODY: string }): Promise<void> {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const mailbox = await loadMail(list.path)
  const sim = await startGmail({ profile: 'instant', mailboxes: [{ ...mailbox, address: 'ana@example.com' }] })
  t.teardown(() => sim.close())
  const config = readConfig({ INITIAL_SYNC: 'all', ...settings })
  const pipeline = await startPipeline(redis, openMailboxes(config, sim.url)(ANA), { settings })
  t.teardown(() => pipeline.stop())
  sim.quota.reset()
  const run = await pipeline.sync()
  t.match(run, { listed: MESSAGES, fates: { gone: 0, dead: 0 }, threads: 757, tasks: 757, addsUp: true })
  t.ok(run.units - LISTING_UNITS <= 0.52 * 20 * MESSAGES, `${run.units - LISTING_UNITS} units for ${MESSAGES} messages`)
  t.equal(sim.quota.counts().units, run.units, 'equal to the units of Gmail')
  const cached = run.fates.cached * 20
  t.equal(run.units + unitsSaved(run, config) + cached, ONE_BY_ONE, 'with what was saved, and what came along unasked')
}
