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

t.test('commands of one turn are written together', async t => {
  const server = createServer(socket => {
    socket.on('data', data => socket.write('+OK\r\n'.repeat(`${data}`.split(/^\*/m).length - 1)))
    socket.on('error', () => undefined)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const client = openRedis(`redis://127.0.0.1:${port}`)
  t.teardown(() => {
    client.disconnect()
    server.close()
  })
  await client.connect().catch(() => undefined)
  const answers = [client.set('a', '1'), client.set('b', '2')]
  t.equal(client.stream.writableCorked, 1, 'the socket holds them back')
  t.same(await Promise.all(answers), ['OK', 'OK'])
  t.equal(client.stream.writableCorked, 0)
})
