import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import t from 'tap'
import { isConnectionError, openRedis } from '../../../shared/redis/connect.ts'

t.test('a truncated pipeline or transaction is a connection failure', async t => {
  // The server answers only the first of several commands, and closes.
  const server = createServer(socket => {
    socket.on('data', data => {
      const commands = `${data}`.split(/^\*/m).slice(1)
      if (/^(set|multi)\r$/im.test(`${data}`)) socket.end('+OK\r\n')
      else socket.write('+OK\r\n'.repeat(commands.length))
    })
    socket.on('error', () => undefined)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const client = openRedis(`redis://127.0.0.1:${port}`)
  t.teardown(() => {
    client.disconnect()
    server.close()
  })
  for (const batch of [client.pipeline(), client.multi()]) {
    const answers = await batch
      .set('a', '1')
      .set('b', '2')
      .exec()
      .catch(error => [[error, null]])
    const errors = (answers ?? []).flatMap(([error]) => error ?? [])
    t.match(errors[0], /aborted/)
    t.same(
      errors.filter(error => !isConnectionError(error)),
      [],
    )
  }
})
