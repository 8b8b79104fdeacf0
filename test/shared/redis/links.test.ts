import t from 'tap'
import type { MailboxId } from '../../../shared/mailbox.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { createLinks } from '../../../shared/redis/links.ts'
import { connectMailbox } from '../../../shared/redis/mailboxes.ts'
import { startCluster } from '../../support/redis.ts'

const redis = await startCluster()
t.teardown(() => redis.stop())

const DAY_SECONDS = 24 * 3600
const ANA: MailboxId = 'outlook:ana@example.com'
const BO: MailboxId = 'outlook:bo@example.com'

let count = 0
async function open() {
  count += 1
  const keys = createKeys(`links${count}`, 2)
  for (const mailbox of [ANA, BO]) await connectMailbox(redis.client, keys, mailbox, 'pinned:', 0)
  const of = (mailbox: MailboxId) => createLinks(redis.client, keys, mailbox)
  const daysLeft = async (key: string) => Math.round((await redis.client.ttl(key)) / DAY_SECONDS)
  return { keys, of, links: of(ANA), daysLeft }
}

t.test('texts are found by name, and equal texts share a name', async t => {
  const { links } = await open()
  const texts = ['a link', `${'x'.repeat(5000)}$deltatoken=ä%2B`, '', 'a link']
  const names = await links.keep(texts)
  t.equal(names.length, 4)
  t.equal(names[0], names[3])
  t.equal(new Set(names).size, 3)
  t.ok(
    names.every(name => /^[\w-]{16}$/.test(name)),
    'a cursor can contain them',
  )
  t.same(await links.keep(['a link']), names.slice(0, 1))
  const read = await links.read([...names].reverse())
  t.same(
    names.map(name => read.get(name)),
    texts,
  )
})

t.test('lost texts are missing, and empty requests send nothing', async t => {
  const { links, keys } = await open()
  const [name = '', other = ''] = await links.keep(['a', 'b'])
  await redis.client.del(keys.link(ANA, name))
  t.same([...(await links.read([name, 'never-kept-12345', other]))], [[other, 'b']])
  t.same([await links.keep([]), [...(await links.read([]))], await links.retire([])], [[], [], undefined])
})

t.test('links last months after a read, three days after retirement', async t => {
  const { links, keys, daysLeft } = await open()
  const [name = ''] = await links.keep(['a link'])
  const key = keys.link(ANA, name)
  t.equal(await daysLeft(key), 90)
  await redis.client.expire(key, DAY_SECONDS)
  await links.read([name])
  t.equal(await daysLeft(key), 90)
  await links.retire([name, 'never-kept-12345'])
  t.equal(await daysLeft(key), 3)
  t.equal((await links.read([name])).get(name), 'a link', 'an old cursor still finds it')
  await links.retire([name])
  await links.keep(['a link'])
  t.equal(await daysLeft(key), 90, 'a text stored again is current again')
})

t.test('the folders are stored as last written', async t => {
  const { links, keys, daysLeft } = await open()
  t.equal(await links.folders(), undefined)
  await links.keepFolders('{"a":1}')
  await links.keepFolders('{"a":2}')
  await redis.client.expire(keys.folders(ANA), DAY_SECONDS)
  t.equal(await links.folders(), '{"a":2}')
  t.equal(await daysLeft(keys.folders(ANA)), 90)
})

t.test("no mailbox sees another's links", async t => {
  const { links, of } = await open()
  const bo = of(BO)
  const names = await links.keep(['a link'])
  await links.keepFolders('{}')
  t.equal((await bo.read(names)).size, 0)
  t.equal(await bo.folders(), undefined)
  await bo.retire(names)
  t.equal((await links.read(names)).size, 1)
})

t.test('a refused write is not reported as stored', async t => {
  const { links, keys } = await open()
  const [name = ''] = await links.keep(['a link'])
  await redis.client.del(keys.link(ANA, name))
  await redis.client.hset(keys.link(ANA, name), 'of', 'another kind')
  await t.rejects(links.read([name]), { message: /WRONGTYPE/ })
  const memory = await redis.client.config('GET', 'maxmemory')
  await redis.client.config('SET', 'maxmemory', '1')
  await t.rejects(links.keep(['another']), { message: /OOM/ })
  await t.rejects(links.keepFolders('{}'), { message: /OOM/ })
  await redis.client.config('SET', 'maxmemory', (memory as string[])[1] ?? '0')
})

t.test('nothing is stored for a mailbox that is not connected', async t => {
  const { of, keys } = await open()
  const cy: MailboxId = 'outlook:cy@example.com'
  const [name = ''] = await of(cy).keep(['a link'])
  await of(cy).keepFolders('{}')
  t.equal(await redis.client.exists(keys.link(cy, name), keys.folders(cy)), 0)
})
