import t from 'tap'
import { MailError } from '../../../shared/error.ts'
import { analysisTasks } from '../../../shared/streams.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { startPipeline } from '../../support/pipeline.ts'
import { startRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const PAGE = 7
const redis = await startRedis()
t.teardown(() => redis.stop())

t.test('a failing page delays no earlier mail and arrives when it heals', async t => {
  const mailbox = fakeMailbox(PAGE)
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  const ids = mailbox.deliver(2 * PAGE)
  let pages = 0
  let isIll = true
  mailbox.before = kind => {
    if (kind !== 'changes') return
    pages += 1
    if (isIll && pages > 1) throw new MailError('unavailable', 'HTTP 500')
  }
  await pipeline.request()
  const tasks = async () =>
    (await pipeline.read(analysisTasks)).flatMap(({ body }) => body.messages.map(({ id }) => id))
  await until(async () => (await tasks()).length >= PAGE, 'the first page went out')
  t.same((await tasks()).sort(), ids.slice(0, PAGE).sort())
  isIll = false
  await pipeline.quiet()
  t.same((await tasks()).sort(), [...ids].sort(), 'each once')
})
