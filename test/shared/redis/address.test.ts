import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { awaitApp } from '../../../pipeline/base/await-redis.ts'
import { startJsRedis } from '../../../pipeline/embedded-redis/js-redis.ts'
import { openRedisServer } from '../../../pipeline/embedded-redis/source.ts'
import { readConfig } from '../../../shared/config.ts'
import { checkServer } from '../../../shared/redis/checks.ts'
import { connectRedis, openRedis } from '../../../shared/redis/connect.ts'
import { probeServer } from '../../../shared/redis/trouble.ts'
import { selfSigned } from '../../../sim/certificate.ts'
import { keepLog } from '../../faults/support.ts'
import { run } from '../../support/processes.ts'
import { freePort, startRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const server = await startRedis('--databases', '4')
t.teardown(() => server.stop())
t.beforeEach(() => server.client.flushall())

const { signal } = new AbortController()
const impatient = { signal, timeoutMs: 0, onWait: () => undefined }

t.test('a missing database is refused at the start, without writes elsewhere', async t => {
  const url = `${server.url}/99`
  const refused = {
    kind: 'misconfigured',
    message:
      /^The Redis at redis:\/\/127\.0\.0\.1:\d+\/99 has no database 99 \(ERR .*\): set a number below its `databases` in REDIS_URL, or none$/,
  }
  const waits = () => t.fail('it is not waited for')
  await t.rejects(awaitApp(readConfig({ REDIS_URL: url }), url, { signal, onWait: waits }), refused)
  await t.rejects(openRedisServer(readConfig({ REDIS_URL: url }), keepLog().log, { signal, onWait: waits }), refused)
  await t.rejects(probeServer(url, { writes: false }), refused)
  await t.rejects(connectRedis(url), refused)
  t.equal(await server.client.dbsize(), 0)
})

t.test('a command reports a missing database without a stack', async t => {
  for (const [path, says] of [
    ['/99', /has no database 99/],
    ['/abc', /REDIS_URL: its value is not allowed; use only the number of a database/],
  ] as const) {
    const finished = await run(['up', '--once'], { REDIS_URL: `${server.url}${path}`, DATA_DIR: t.testdir({}) })
    t.match(finished, { code: 2, stdout: '', stderr: says })
    t.notMatch(finished.stderr, /\n\s+at /)
  }
  t.equal(await server.client.dbsize(), 0)
})

t.test('a reconnection to a server with fewer databases writes nothing', async t => {
  const redis = openRedis(`${server.url}/3`)
  const twin = redis.duplicate()
  t.teardown(() => {
    redis.disconnect()
    twin.disconnect()
  })
  await redis.connect()
  await redis.set('here', 'it is')
  const small = await startRedis('--databases', '2')
  t.teardown(() => small.stop())
  // As in a failover, the same connection leads to another server.
  redis.options.port = small.port
  const errors: Error[] = []
  redis.on('error', error => void errors.push(error))
  redis.disconnect(true)
  let written = 0
  await until(async () => {
    await redis.set('there', 'is it').then(
      () => (written += 1),
      () => undefined,
    )
    return errors.filter(({ message }) => /DB index is out of range/.test(message)).length >= 3
  }, 'it tries again and again')
  t.equal(written, 0)
  t.equal(await small.client.dbsize(), 0)
  redis.options.port = server.port
  await until(
    () =>
      redis.get('here').then(
        value => value === 'it is',
        () => false,
      ),
    'and continues where its database is',
  )
  await server.client.select(3)
  t.same(await server.client.keys('*'), ['here'])
  await server.client.select(0)
})

t.test('the JavaScript Redis separates databases or refuses them', async t => {
  const js = await startJsRedis()
  t.teardown(() => js.close())
  await t.rejects(connectRedis(`${js.url}/99`), /has no database 99/)
  const first = await connectRedis(js.url)
  const second = await connectRedis(`${js.url}/2`).catch(() => undefined)
  await second?.set('k', 'v')
  t.equal(await first.dbsize(), 0)
  first.disconnect()
  second?.disconnect()
})

t.test('the certificate of a Redis with TLS is verified unless disabled', async t => {
  const { tls, ca, file } = await startTls(t)
  const open = async (settings: Record<string, string>) => {
    const app = await awaitApp(readConfig({ REDIS_URL: tls, ...settings }), tls, impatient)
    const another = app.openConnection()
    await another.connect()
    t.equal(await another.ping(), 'PONG')
    another.disconnect()
    app.close()
  }
  const unknown = {
    kind: 'misconfigured',
    message:
      /^The certificate of rediss:\/\/localhost:\d+ is not signed by a trusted authority \(DEPTH_ZERO_SELF_SIGNED_CERT\): set REDIS_TLS_CA .* or REDIS_TLS_INSECURE=1/,
  }
  const waits = () => t.fail('it is not waited for')
  await t.rejects(awaitApp(readConfig({ REDIS_URL: tls }), tls, { signal, onWait: waits }), unknown)
  await t.rejects(connectRedis(tls), unknown)
  await open({ REDIS_TLS_CA: ca })
  await open({ REDIS_TLS_CA: ca.replaceAll('\n', '\\n') })
  await open({ REDIS_TLS_CA: file })
  await open({ REDIS_TLS_INSECURE: 'true' })
  const { ca: other } = await certificate()
  await t.rejects(open({ REDIS_TLS_CA: other }), unknown, "another's certificate is none")
  await t.rejects(open({ REDIS_TLS_CA: join(t.testdir({}), 'none.pem') }), /cannot read .*none\.pem \(ENOENT\)/)
  const misnamed = tls.replace('localhost', '127.0.0.1')
  await t.rejects(
    awaitApp(readConfig({ REDIS_URL: misnamed, REDIS_TLS_CA: ca }), misnamed, impatient),
    /is for another name/,
  )
  const plain = tls.replace('rediss:', 'redis:')
  await t.rejects(
    awaitApp(readConfig({ REDIS_URL: plain }), plain, impatient),
    /correct REDIS_URL \(rediss:\/\/ where it wants TLS\)/,
  )
  const wanting = server.url.replace('redis:', 'rediss:')
  await t.rejects(
    awaitApp(readConfig({ REDIS_URL: wanting }), wanting, impatient),
    /correct REDIS_URL \(redis:\/\/ where it speaks no TLS\)/,
  )
})

t.test('a whole run works over TLS; other connections stay verified', async t => {
  const { tls } = await startTls(t)
  const finished = await run(
    ['up', '--once', '--json'],
    { REDIS_URL: tls, REDIS_TLS_INSECURE: '1', DATA_DIR: t.testdir({}), INITIAL_SYNC: '5' },
    60_000,
  )
  t.equal(finished.code, 0, finished.stderr)
  t.notMatch(finished.stderr, /NODE_TLS_REJECT_UNAUTHORIZED/)
})

t.test('TLS settings without TLS are refused', async t => {
  t.throws(
    () => readConfig({ REDIS_URL: 'redis://h', REDIS_TLS_INSECURE: '1' }),
    /REDIS_TLS_INSECURE: "1" is not allowed; use it with a REDIS_URL that begins with rediss/,
  )
  t.throws(
    () => readConfig({ REDIS_TLS_CA: '-----BEGIN CERTIFICATE-----\nx' }),
    /REDIS_TLS_CA: its value is not allowed; use the name of a PEM file/,
  )
})

t.test('a renamed command is named with a remedy', async t => {
  for (const command of ['EVALSHA', 'XCLAIM', 'SELECT']) {
    const renamed = await startRedis('--rename-command', command, '')
    t.teardown(() => renamed.stop())
    const url = command === 'SELECT' ? `${renamed.url}/1` : renamed.url
    const waits = () => t.fail('it is not waited for')
    await t.rejects(
      awaitApp(readConfig({}), url, { signal, onWait: waits }),
      {
        kind: 'misconfigured',
        message: new RegExp(`^redis://127.0.0.1:\\d+(/1)? does not know ${command}: .*rename-command`),
      },
      command,
    )
  }
})

t.test('a renamed command of the client itself is named too', async t => {
  const odd = createServer(socket => {
    socket.on('error', () => undefined)
    socket.on('data', () => void socket.write("-ERR unknown command 'INFO', with args beginning with: \r\n".repeat(5)))
  }).listen(0, '127.0.0.1')
  await once(odd, 'listening')
  t.teardown(() => odd.close())
  const { port } = odd.address() as AddressInfo
  await t.rejects(connectRedis(`redis://127.0.0.1:${port}`), /does not know INFO: it was renamed/)
})

t.test('a denied command is named with the rule that allows it', async t => {
  for (const command of ['evalsha', 'select']) {
    await server.client.call('ACL', 'SETUSER', 'tess', 'reset', 'on', '>pw', '~*', '+@all', `-${command}`)
    const url = `${server.url.replace('//', '//tess:pw@')}/1`
    await t.rejects(awaitApp(readConfig({}), url, impatient), new RegExp(`${command}.*(ACL)`, 'i'), command)
  }
})

t.test('every Valkey version is accepted, whatever Redis version it reports', async t => {
  const client = new Redis(server.url)
  t.teardown(() => client.disconnect())
  const info = await client.info()
  const calling = (lines: string) => {
    client.info = (async () => info.replace(/^redis_version:.*$/m, lines)) as Redis['info']
    return checkServer(client, { place: 'redis://here', now: Date.now })
  }
  t.same(await calling('redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:7.2.5'), [])
  t.same(await calling('redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.0.1'), [])
  t.same(await calling('redis_version:7.2.4'), [])
  await t.rejects(
    calling('redis_version:6.2.14'),
    /runs redis 6\.2\.14; mailsluice needs Redis 7\.0 or Valkey 7\.2 at least/,
  )
})

async function certificate(): Promise<{ ca: string; key: string }> {
  const keys = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const now = Date.now()
  const ca = selfSigned(keys, { name: 'localhost', fromMs: now - 60_000, untilMs: now + 3_600_000 })
  return { ca: ca.trim(), key: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
}

async function startTls(t: Test): Promise<{ tls: string; ca: string; file: string }> {
  const { ca, key } = await certificate()
  const folder = t.testdir({})
  const [file, keyFile] = [join(folder, 'redis.crt'), join(folder, 'redis.key')]
  await writeFile(file, `${ca}\n`)
  await writeFile(keyFile, key, { mode: 0o600 })
  t.equal((await readFile(file, 'utf8')).trim(), ca)
  const port = await freePort()
  const words = [
    '--tls-port',
    `${port}`,
    '--tls-cert-file',
    file,
    '--tls-key-file',
    keyFile,
    '--tls-ca-cert-file',
    file,
  ]
  const redis = await startRedis(...words, '--tls-auth-clients', 'no')
  t.teardown(() => redis.stop())
  return { tls: `rediss://localhost:${port}`, ca, file }
}
