import t from 'tap'
import { outlook } from '../../pipeline/accounts/providers/outlook.ts'
import { readConfig } from '../../shared/config.ts'
import { testMail, testMailbox } from '../support/mail.ts'
import { BO_ADDRESS, startOutlook } from '../support/outlook.ts'
import { lastJson, run } from '../support/processes.ts'
import { startRedis } from '../support/redis.ts'

const FOLDERS = ['inbox', 'archive', 'Projects/Rome', 'Projects/Oslo', 'Projects/Lima', 'Projects/Kyiv']
const MAILS = 60

const redis = await startRedis()
t.teardown(() => redis.stop())

t.test('OUTLOOK_PAGE_SIZE sets the messages per page of a folder', async t => {
  for (const [size, pages] of [
    ['5', 12],
    ['50', 2],
    [undefined, 2],
  ] as const) {
    const { sim, pipeline } = await startOutlook(t, redis, testMailbox(BO_ADDRESS, MAILS, 6), {
      INITIAL_SYNC: 'all',
      OUTLOOK_BATCH_SIZE: '1',
      ...(size === undefined ? {} : { OUTLOOK_PAGE_SIZE: size }),
    })
    sim.resetCalls()
    t.match(await pipeline.sync(), { listed: MAILS, addsUp: true })
    // The other two folders are empty.
    t.equal(sim.calls().delta, pages + 2, `pages of ${size ?? 'what is preset'}`)
  }
})

t.test('OUTLOOK_MAX_PARALLEL_PAGES limits parallel folders, to at most four', async t => {
  for (const [parallel, most] of [
    ['1', 1],
    ['3', 3],
    ['4', 4],
    ['5', 4],
    [undefined, 4],
  ] as const) {
    const { sim, pipeline } = await startOutlook(t, redis, testMailbox(BO_ADDRESS, 0, 1), {
      INITIAL_SYNC: 'all',
      OUTLOOK_PAGE_SIZE: '2',
      OUTLOOK_BATCH_SIZE: '1',
      ...(parallel === undefined ? {} : { OUTLOOK_MAX_PARALLEL_PAGES: parallel }),
    })
    await pipeline.sync()
    for (let index = 0; index < MAILS; index++) {
      sim.deliver(BO_ADDRESS, testMail(index, 6), { folder: FOLDERS[index % FOLDERS.length] })
    }
    sim.faults.set({ rates: { slow: 1 }, dripMs: 20 })
    sim.throttling.reset()
    t.match(await pipeline.sync(), { listed: MAILS, addsUp: true })
    t.equal(sim.throttling.counts(BO_ADDRESS).peakConcurrent, most, `${parallel ?? 'what is preset'} at a time`)
  }
})

t.test('a batch requests the pages of at most four folders', async t => {
  const folders = Array.from({ length: 10 }, (_, index) => `Projects/${index}`)
  const batches = async (parallel: string) => {
    const { sim, pipeline } = await startOutlook(t, redis, testMailbox(BO_ADDRESS, 0, 1), {
      INITIAL_SYNC: 'all',
      OUTLOOK_PAGE_SIZE: '2',
      OUTLOOK_MAX_PARALLEL_PAGES: parallel,
    })
    await pipeline.sync()
    for (let index = 0; index < 10 * folders.length; index++) {
      sim.deliver(BO_ADDRESS, testMail(index, 6), { folder: folders[index % folders.length] })
    }
    sim.resetCalls()
    t.match(await pipeline.sync(), { listed: 10 * folders.length, addsUp: true })
    return sim.calls().batch
  }
  const [three, four, five] = [await batches('3'), await batches('4'), await batches('5')]
  t.ok(three > four, `${three} batches and ${four}`)
  t.equal(five, four)
})

t.test('a value of five counts as four, with one warning', async t => {
  const warnings = (pages: string) => outlook.warnings?.(readConfig({ OUTLOOK_MAX_PARALLEL_PAGES: pages }))
  t.match(warnings('5'), [/OUTLOOK_MAX_PARALLEL_PAGES is 5, and is taken as 4/])
  t.same(warnings('4'), [])
  const folder = t.testdir({})
  const finished = await run(['up', '--once', '--json'], { DATA_DIR: folder, OUTLOOK_MAX_PARALLEL_PAGES: '5' })
  t.match(lastJson(finished), { ok: true, mailboxes: 2 })
  t.equal(finished.stderr.split('is taken as 4').length - 1, 1)
})
