import t from 'tap'
import { writeCursor } from '../../../shared/outlook/cursor.ts'
import { outlookMailbox } from '../../../shared/outlook/mailbox.ts'
import { keepMarks } from '../../../shared/outlook/marks.ts'
import { heldLinks } from '../../support/links.ts'
import { heldSubscription } from '../../support/subscription.ts'
import { http } from '../../support/surroundings.ts'
import { batchAnswer, type Part, resource, startGraph } from './graph.ts'

const SCOPE = Date.parse('2026-11-01T00:00:00Z')
const call = { signal: new AbortController().signal, meter: () => undefined }
const old = { receivedDateTime: '2026-10-01T00:00:00Z' }

t.test('an unfiltered folder brings no mail before the scope, complete or partial', async t => {
  const graph = await startGraph((asked, { rootUrl }) => batchAnswer(asked, url => partOf(url, rootUrl)))
  t.teardown(() => graph.close())
  const links = heldLinks()
  const folders = {
    link: `${graph.rootUrl}/folders`,
    parents: { 'inbox-id': 'root' },
    wellKnown: { inbox: 'inbox-id' },
  }
  await links.keepFolders(JSON.stringify(folders))
  const mark = { folder: 'inbox-id', link: `${graph.rootUrl}/inbox`, at: SCOPE, end: true, unfiltered: true }
  const marks = (await keepMarks(links, [mark])).map(({ name }) => name)
  const mailbox = outlookMailbox({
    http,
    address: 'bo@example.com',
    tokens: { get: async () => 'token', refused: async () => false },
    links,
    subscription: heldSubscription(),
    rootUrl: graph.rootUrl,
    initialSync: { kind: 'days', days: 30 },
    pageSize: 50,
    parallel: 4,
    batchSize: 20,
  })
  const { ids, messages = [] } = await mailbox.changes(
    writeCursor({ at: 'folders', scope: SCOPE, marks }),
    undefined,
    call,
  )
  for (const reported of [ids, messages]) t.same(new Set(reported.map(({ id }) => id)), new Set(['new', 'new-in-part']))
})

function partOf(url: string, rootUrl: string): Part {
  if (url === '/folders') return { status: 200, body: { value: [], '@odata.deltaLink': `${rootUrl}/folders` } }
  if (url.includes('/messages/old-in-part?')) return { status: 200, body: resource('old-in-part', old) }
  if (url.includes('/messages/new-in-part?')) return { status: 200, body: resource('new-in-part') }
  const inPart = ['old-in-part', 'new-in-part'].map(id => ({ id, categories: ['Rome'] }))
  const value = [resource('old', old), resource('new'), ...inPart]
  return { status: 200, body: { value, '@odata.deltaLink': `${rootUrl}/inbox?later` } }
}
