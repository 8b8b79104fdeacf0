import t from 'tap'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { startPipeline } from '../../support/pipeline.ts'
import { clusterFor } from '../../support/redis.ts'

const { server } = await clusterFor(t)
// About twenty-two in general. A look that finds nothing adds a few.
const MAX_PER_MESSAGE = 28

t.test('the Redis commands per message stay bounded', async t => {
  const mailbox = fakeMailbox(100)
  mailbox.deliver(200, 100)
  const monitor = await server.client.monitor()
  t.teardown(() => monitor.disconnect())
  let commands = 0
  monitor.on('monitor', (_time: string, _words: string[], source: string) => {
    if (source === 'lua') commands += 1
  })
  const pipeline = await startPipeline(server, mailbox, { settings: { LEASE_MS: '60000' } })
  t.teardown(() => pipeline.stop())
  t.match(await pipeline.sync(), { listed: 200, tasks: 100, addsUp: true })
  t.ok(commands > 0 && commands / 200 <= MAX_PER_MESSAGE, `${(commands / 200).toFixed(1)} commands a message`)
})
