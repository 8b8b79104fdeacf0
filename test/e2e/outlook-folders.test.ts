import t from 'tap'
import { knownMessages } from '../../shared/redis/known.ts'
import { STAGE_NAMES } from '../../shared/stage.ts'
import { analysisTasks, missingIds } from '../../shared/streams.ts'
import { testMailbox } from '../support/mail.ts'
import { BO, BO_ADDRESS, startOutlook } from '../support/outlook.ts'
import type { TestPipeline } from '../support/pipeline.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())

async function known({ app }: TestPipeline): Promise<string[]> {
  const ids: string[] = []
  for await (const { id } of knownMessages(app.redis, app.keys, BO)) ids.push(id)
  return ids.sort()
}

for (const stays of [true, false]) {
  const what = stays ? 'is back once the folder is listed' : 'is gone with the folder, which was never listed'
  t.test(`a message found in an unknown folder ${what}`, async t => {
    const { sim, pipeline } = await startOutlook(t, redis, testMailbox(BO_ADDRESS, 12, 3))
    await pipeline.sync()
    await pipeline.stopStages()
    pipeline.start(STAGE_NAMES.filter(name => name !== 'batch-fetch'))
    const bo = sim.mailbox(BO_ADDRESS)
    const [id = ''] = bo.ids('inbox')
    bo.move('deleteditems', id)
    await pipeline.request()
    await until(async () => (await pipeline.read(missingIds)).length > 0, 'it is requested')
    bo.move('Projects/Brief', id)
    pipeline.start(['batch-fetch'])
    await pipeline.quiet()
    if (!stays) bo.deleteFolder('Projects/Brief')
    t.match(await pipeline.sync(), { addsUp: true, fates: { dead: 0 } })
    t.same(await known(pipeline), bo.ids().sort())
    const last = (await pipeline.read(analysisTasks)).at(-1)?.body
    t.equal(last?.messages.length, stays ? 4 : 3)
    sim.resetCalls()
    t.match(await pipeline.sync(), { listed: 0, tasks: 0, calls: { list: 0 } }, 'no work is left')
  })
}
