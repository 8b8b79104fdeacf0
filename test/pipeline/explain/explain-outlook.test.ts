import t, { type Test } from 'tap'
import { explain } from '../../../pipeline/commands/explain.ts'
import { callsByKind } from '../../../pipeline/commands/summary.ts'
import { shortenIds } from '../../../pipeline/records/diff.ts'
import { watchEvents } from '../../../shared/streams.ts'
import { testMailbox } from '../../support/mail.ts'
import { BO_ADDRESS, startOutlook } from '../../support/outlook.ts'
import { startRedis } from '../../support/redis.ts'
import { contextFor } from '../../support/surroundings.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())

t.test('the listing of an Outlook message includes it, without a fetch', async t => {
  const { bo, explained } = await started(t)
  const [id = ''] = bo.ids('inbox')
  t.match(id, /^[\w=-]{60,}$/)
  const text = await explained(id)
  t.match(text, /message-ids .* \d+ of \d+ in window \d/)
  t.match(text, /= fate cached: the listing included it\n/)
  t.notMatch(text, /missing-ids|fetched-messages|without this one/)
  t.match(text, /= dispatched in this run: outlook:bo@example.com\//)
})

t.test('no later run mentions a message that was only moved', async t => {
  const { bo, sync, explained } = await started(t)
  const [id = ''] = bo.ids('inbox')
  const before = await explained(id)
  bo.move('archive', id)
  await sync()
  const runs = (text: string) => text.match(/, run \S+/g)
  const after = await explained(id)
  t.same(runs(after), runs(before))
  t.match(after, /4 messages known, last dispatched/)
})

t.test('a deleted message was verified as gone and removed from its thread', async t => {
  const { bo, sync, explained } = await started(t)
  const [id = '', other = ''] = bo.ids('inbox').filter((_, place) => place % 3 === 0)
  bo.delete(id)
  await sync()
  const [first = '', second = '', ...more] = (await explained(id)).split('\n\n')
  t.same(more, [])
  t.match(first, /fate cached/)
  t.match(second, /missing-ids .* known, checked because it may be gone, 1 of 1 in window verify:1/)
  t.match(second, /fetched-messages .* gone in window verify:1/)
  t.match(second, /= fate gone\n/)
  t.match(second, /: 3 messages known, without this one, last dispatched/)
  t.match(second, /= not in the cache$/)
  // Its neighbours were emitted again, which is no fate of theirs.
  const [, again = ''] = (await explained(other)).split('\n\n')
  t.match(again, /= already known and not listed in this run; its thread was emitted again\n/)
  t.match(again, /: 3 messages known, last dispatched/)
})

t.test('a filtered message names its folder', async t => {
  const { bo, sync, explained } = await started(t)
  const [id = ''] = bo.ids('inbox')
  bo.move('deleteditems', id)
  await sync()
  const [, second = ''] = (await explained(id)).split('\n\n')
  t.match(second, /= fate filtered: in the folder deleteditems\n/)
  t.match(second, /without this one/)
})

t.test('an unknown message gives the checks for Outlook', async t => {
  const { sim, sync, explained } = await started(t)
  const { id } = sim.deliver(BO_ADDRESS, 'Subject: Win\r\n\r\nNow!', { folder: 'junkemail' })
  await sync()
  const text = await explained(id)
  t.match(text, /was not found: no stream/)
  t.match(text, /for Outlook the immutable id/)
  t.match(text, /SKIP_LABELS is SPAM,TRASH,DRAFT \(at Outlook the folders of that kind, with their subfolders\)/)
  t.notMatch(text, /16 hexadecimal/)
  t.match(await explained(sim.mailbox(BO_ADDRESS).usualId(id)), /was not found/)
})

t.test('the calls of a run are listed by kind', async t => {
  const { sync } = await started(t)
  t.equal(callsByKind(await sync()), '1 delta')
})

t.test('a cursor of many folders is counted, and ids are shortened', async t => {
  const { pipeline } = await started(t)
  const page = (await pipeline.read(watchEvents)).at(-1)?.body.page
  t.match(page?.token, /[\w-]{16},[\w-]{16}/)
  const { token, window } = shortenIds(page) as { token: string; window: number }
  t.match(token, /:\d links:/)
  t.equal(window, page?.window)
  const id = `AAkALg${'A'.repeat(60)}BKAAA=`
  t.same(shortenIds({ id, of: 3, reason: 'in the folder deleteditems, as is' }), {
    id: `${id.slice(0, 14)}…${id.slice(-14)}`,
    of: 3,
    reason: 'in the folder deleteditems, as is',
  })
})

/** Sets up Bo's synced mailbox of twelve messages in three threads, and captures the output of `explain`. */
async function started(t: Test) {
  const { sim, pipeline } = await startOutlook(t, redis, testMailbox(BO_ADDRESS, 12, 3), { OUTLOOK_PAGE_SIZE: '3' })
  await pipeline.sync()
  const explained = async (message: string) => {
    const lines: string[] = []
    const context = contextFor({
      config: { ...pipeline.app.config, REDIS_URL: redis.url },
      json: false,
      signal: new AbortController().signal,
      print: text => lines.push(text),
    })
    await explain(context, message)
    return lines.join('\n')
  }
  return { sim, bo: sim.mailbox(BO_ADDRESS), pipeline, sync: () => pipeline.sync(), explained }
}
