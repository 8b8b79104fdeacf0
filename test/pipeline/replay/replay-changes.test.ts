import t from 'tap'
import { createLog } from '../../../pipeline/base/log.ts'
import { STAGES } from '../../../pipeline/base/stages.ts'
import { selectInputs } from '../../../pipeline/records/selection.ts'
import { dryRun } from '../../../pipeline/replay/dry-run.ts'
import { replayInto } from '../../../pipeline/replay/replay-into-sandbox.ts'
import { openSandbox } from '../../../pipeline/replay/sandbox.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { startPipeline } from '../../support/pipeline.ts'
import { startRedis } from '../../support/redis.ts'
import { hidden } from '../../support/surroundings.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())
const { signal } = new AbortController()
const silent = createLog({ LOG_LEVEL: 'silent' }, 'test', hidden)

/** Records runs with filtered, verified, deleted and read mail, and one after the history of the provider expired. */
async function changeful(t: { teardown(done: () => unknown): void }) {
  const mailbox = fakeMailbox(6)
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  const { changes } = mailbox
  mailbox.deliver(14, 4)
  await pipeline.sync()
  mailbox.changes = async (...of) => {
    const page = await changes(...of)
    const odd = { m15: { filtered: 'labelled SPAM' }, m2: { verify: true } }
    const more = page.cursor === undefined ? [] : [{ id: 'm2', thread: 't2' }]
    return { ...page, ids: [...page.ids, ...more].map(one => ({ ...one, ...odd[one.id as keyof typeof odd] })) }
  }
  mailbox.deliver(3, 4)
  mailbox.remove('m1')
  mailbox.relabel('m4', ['STARRED'], ['UNREAD'])
  await pipeline.sync()
  let expired = true
  mailbox.changes = async (since, page, call) => {
    if (!expired) return changes(since, page, call)
    expired = false
    return { ids: [], gone: [], labels: [], reset: true }
  }
  mailbox.remove('m6')
  mailbox.deliver(2, 4)
  const last = await pipeline.sync()
  return { pipeline, last }
}

t.test('a dry run reproduces filtered, verified, deleted and resynced mail', async t => {
  const { pipeline, last } = await changeful(t)
  t.match(last, { deleted: 1, fates: { fetched: 3 }, addsUp: true })
  for (const stage of STAGES) {
    const { differences, failed, inputs } = await dryRun(stage, pipeline.app, {})
    t.same(differences, [], stage.name)
    t.same(failed, [], stage.name)
    t.ok(inputs > 3)
  }
})

t.test('a resync in a sandbox gives the same tasks', async t => {
  const { pipeline, last } = await changeful(t)
  const { app } = pipeline
  const [listIds] = STAGES
  if (!listIds) throw new Error('no stage')
  const sandbox = await openSandbox(app, 'resync')
  t.teardown(() => sandbox.app.close())
  const inputs = await selectInputs(app, listIds, { run: last.run })
  const replayed = await replayInto(app, sandbox, { stage: listIds, inputs, log: silent, signal })
  t.match(replayed.runs, [{ listed: 3, context: 1, deleted: 1, threads: last.threads, addsUp: true }])
  t.same([replayed.differences, replayed.notAtHand], [[], []])
  t.equal(replayed.same, last.tasks)
})
