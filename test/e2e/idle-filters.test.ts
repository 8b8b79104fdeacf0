import t from 'tap'
import { openMailboxes } from '../../pipeline/accounts/mailboxes.ts'
import { mailboxes } from '../../pipeline/commands/mailboxes.ts'
import { status } from '../../pipeline/commands/status.ts'
import { recordFilterFindings, unmatchedFilters } from '../../pipeline/runtime/findings.ts'
import { readConfig } from '../../shared/config.ts'
import type { Changes } from '../../shared/mailbox.ts'
import { categoryFinder } from '../../shared/outlook/findings.ts'
import { type Finding, leftOut } from '../../shared/provider/filter.ts'
import { startGmail } from '../../sim/gmail.ts'
import { keepLog } from '../faults/support.ts'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { testMailbox } from '../support/mail.ts'
import { BO, startOutlook } from '../support/outlook.ts'
import { ANA, startPipeline } from '../support/pipeline.ts'
import { inTurn } from '../support/processes.ts'
import { startRedis } from '../support/redis.ts'
import { contextFor } from '../support/surroundings.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())

const { signal } = new AbortController()
const call = { signal, meter: () => undefined }

t.test('a filter that matches no label or category is reported once', async t => {
  const settings = {
    REDIS_URL: redis.url,
    DATA_DIR: t.testdir({}),
    GMAIL_LABELS: 'Cleints,INBOX',
    SKIP_LABELS: 'SPAM,TRASH,DRAFTS,Newslettr',
  }
  const [first, second] = [await inTurn(['up', '--once'], settings), await inTurn(['up', '--once'], settings)]
  const lines = [
    /gmail:\S+: no label \\?"Cleints\\?", which GMAIL_LABELS names/,
    /gmail:\S+: no label \\?"Newslettr\\?", which SKIP_LABELS names/,
    /outlook:\S+: no mail has the category \\?"Newslettr\\?", which SKIP_LABELS names; the only folder names are SPAM, TRASH/,
  ]
  for (const line of lines) {
    t.match(first.stderr, line)
    t.notMatch(second.stderr, line, 'once')
  }
  t.notMatch(first.stderr, /"(SPAM|DRAFTS|INBOX)\\?", which/, 'built-in labels are not reported')
  const shown = async (json: boolean, more: Record<string, string> = {}) => {
    const printed: string[] = []
    const context = contextFor({
      config: readConfig({ ...settings, ...more }),
      json,
      signal,
      print: (text: string) => void printed.push(text),
    })
    await status(context)
    await mailboxes(context)
    return printed
  }
  for (const text of await shown(false)) for (const line of lines) t.match(text, line)
  for (const text of await shown(true)) t.match(text, /"idleFilters":\["gmail:/)
  const others = await shown(false, { GMAIL_LABELS: 'INBOX', SKIP_LABELS: 'SPAM' })
  for (const text of others) t.notMatch(text, /which (GMAIL|SKIP)_LABELS/, 'a removed filter is not reported')
})

t.test('only a search without results is reported', async t => {
  const sim = await startGmail({ profile: 'instant', mailboxes: [testMailbox('ana@example.com', 3, 1)] })
  t.teardown(() => sim.close())
  const idle = async (settings: Record<string, string>) => {
    const pipeline = await startPipeline(redis, openMailboxes(readConfig(settings), sim.url)(ANA), { settings })
    t.teardown(() => pipeline.stop())
    await pipeline.sync()
    return unmatchedFilters(pipeline.app, ANA)
  }
  t.same(await idle({ GMAIL_QUERY: 'in:sent' }), ['gmail:ana@example.com: GMAIL_QUERY matches no mail: "in:sent"'])
  t.same(await idle({ GMAIL_QUERY: 'in:inbox' }), [])
  t.same(await idle({}), [])
})

t.test('Gmail names of the inbox, sent mail and drafts work at Outlook', async t => {
  const listed = async (skip: string) => {
    const { pipeline } = await startOutlook(t, redis, testMailbox('bo@example.com', 4, 1), {
      SKIP_LABELS: skip,
      INITIAL_SYNC: 'all',
    })
    return { run: await pipeline.sync(), idle: await unmatchedFilters(pipeline.app, BO) }
  }
  t.match(await listed('none'), { run: { listed: 4 }, idle: [] })
  t.match(await listed('inbox,Sent,BIN'), { run: { listed: 0 }, idle: [] })
})

t.test('a category becomes known from mail, regardless of case', async t => {
  const find = categoryFinder(['SPAM', 'drafts', 'sent', 'BIN', 'Newsletter', 'Work'])
  const page = (changes: Partial<Changes>): Changes => ({ ids: [], gone: [], labels: [], ...changes })
  t.equal(find(page({ cursor: 'c' })).filters, undefined, 'an empty mailbox proves nothing')
  const ids = [{ id: 'a', thread: 'a', filtered: 'labelled newsletter' }]
  t.same(find(page({ ids, next: 'p' })).filters, [{ part: 'skip', name: 'Newsletter', state: 'found' }])
  t.same(find(page({ cursor: 'c' })).filters, [{ part: 'skip', name: 'Work', state: 'unseen' }])
  t.same(find(page({ labels: [{ id: 'b', added: ['WORK'], removed: [] }], cursor: 'c' })).filters, [
    { part: 'skip', name: 'Work', state: 'found' },
  ])
  t.equal(find(page({ cursor: 'c' })).filters, undefined)
  t.equal(leftOut(['Newsletter'], { labels: [], skip: ['newsLETTER'] }), 'labelled newsLETTER')
})

t.test('the warning ends when a match appears and returns when it disappears', async t => {
  const pipeline = await startPipeline(redis, fakeMailbox(), { settings: { GMAIL_LABELS: 'Clients' }, only: [] })
  t.teardown(() => pipeline.stop())
  const { app } = pipeline
  const { log, lines } = keepLog()
  let reported: Finding[] = []
  const mailbox = recordFilterFindings(
    { ...fakeMailbox(), changes: async () => ({ ids: [], gone: [], labels: [], filters: reported }) },
    { app, mailbox: ANA, log },
  )
  const states: [state: Finding['state'], warnings: number, shown: number][] = [
    ['missing', 1, 1],
    ['missing', 1, 1],
    ['found', 1, 0],
    ['unseen', 1, 0],
    ['missing', 2, 1],
  ]
  for (const [state, warnings, shown] of states) {
    reported = [{ part: 'label', name: 'Clients', state }]
    await mailbox.changes('c', undefined, call)
    t.equal(lines.length, warnings, state)
    t.equal((await unmatchedFilters(app, ANA)).length, shown, state)
  }
  await app.redis.del(app.keys.mailbox(ANA))
  await mailbox.changes('c', undefined, call)
  t.equal(await app.redis.exists(app.keys.mailbox(ANA)), 0)
})
