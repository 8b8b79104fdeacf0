import { chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import t from 'tap'
import { noteRunning } from '../../../pipeline/embedded-redis/data-dir.ts'
import { embeddedRedis } from '../../../pipeline/embedded-redis/server.ts'
import { silent } from '../../support/log.ts'
import { until } from '../../support/until.ts'

t.test('files of an embedded Redis are private to their owner', async t => {
  const dataDir = await mkdtemp(join(tmpdir(), 'mailsluice-private-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const umask = process.umask(0)
  t.teardown(() => void process.umask(umask))
  await chmod(dataDir, 0o777)
  await mkdir(join(dataDir, 'redis', 'appendonlydir'), { recursive: true, mode: 0o777 })
  await writeFile(join(dataDir, 'redis', 'dump.rdb.old'), 'mail', { mode: 0o666 })
  await writeFile(join(dataDir, 'redis.log'), '', { mode: 0o666 })

  const server = await embeddedRedis({ dataDir, log: silent })
  t.teardown(() => server.stop())
  t.equal(process.umask(), 0, 'the mask of this process is as before')
  await noteRunning(dataDir, 'sim', { token: 'secret' })
  const redis = new Redis(server.url)
  t.teardown(() => redis.disconnect())
  await redis.set('subject', 'private')
  const folder = join(dataDir, 'redis', 'appendonlydir')
  const before = await readdir(folder)
  await redis.bgrewriteaof()
  const isNew = (name: string) => name.includes('.base.') && !before.includes(name)
  await until(async () => (await readdir(folder)).some(isNew), 'it has written new files')

  const all = await readdir(dataDir, { recursive: true })
  t.ok(all.some(name => name.endsWith('.aof')))
  for (const name of all) {
    // Redis deletes files that it has rewritten.
    const { mode } = await stat(join(dataDir, name)).catch(() => ({ mode: 0o600 }))
    t.equal(mode & 0o077, 0, `${name} has mode ${(mode & 0o777).toString(8)}`)
  }
})
