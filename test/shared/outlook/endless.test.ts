import t, { type Test } from 'tap'
import type { Call, Changes, Mailbox } from '../../../shared/mailbox.ts'
import { outlookMailbox } from '../../../shared/outlook/mailbox.ts'
import { heldLinks } from '../../support/links.ts'
import { heldSubscription } from '../../support/subscription.ts'
import { http } from '../../support/surroundings.ts'
import { failure, openCall } from '../gmail/google.ts'
import { type Asked, batchAnswer, graphError, isBatch, type Part, type Reply, resource, startGraph } from './graph.ts'

// A mailbox with only an inbox, unless the script answers a path below the root first.
async function open(t: Test, script: (path: string) => Part | undefined) {
  const partOf = (path: string): Part => {
    const said = script(path)
    if (said) return said
    if (path.startsWith('/me/mailFolders/inbox?')) return { status: 200, body: { id: 'inbox-id' } }
    if (path.startsWith('/me/mailFolders/delta'))
      return page(
        [{ id: 'inbox-id', parentFolderId: 'root', displayName: 'Inbox' }],
        'deltaLink',
        'mailFolders/delta?later',
      )
    if (path.includes('/messages/delta')) return page([], 'deltaLink', 'mailFolders/inbox-id/messages/delta?later')
    return { status: 404, body: graphError('ErrorItemNotFound') }
  }
  const page = (value: unknown[], kind: string, rest: string): Part => ({
    status: 200,
    body: { value, [`@odata.${kind}`]: `${graph.rootUrl}/me/${rest}` },
  })
  const answer = (asked: Asked): Reply =>
    isBatch(asked) ? batchAnswer(asked, partOf) : partOf(asked.path.slice('/v1.0'.length))
  const graph = await startGraph(answer)
  t.teardown(() => graph.close())
  const tokens = { get: async () => 's3cret', refused: async () => false }
  const mailbox = outlookMailbox({
    http,
    address: 'ana@example.com',
    tokens,
    subscription: heldSubscription(),
    links: heldLinks(),
    rootUrl: graph.rootUrl,
    initialSync: { kind: 'all' },
    pageSize: 50,
    parallel: 4,
    batchSize: 20,
  })
  return { graph, mailbox }
}

const ENOUGH_PAGES = 12

async function listAll(mailbox: Mailbox, since: string, call: Call): Promise<{ pages: Changes[]; cursor: string }> {
  const pages: Changes[] = []
  for (let next: string | undefined; pages.length < ENOUGH_PAGES; ) {
    const changes = await mailbox.changes(since, next, call)
    pages.push(changes)
    if (changes.cursor !== undefined) return { pages, cursor: changes.cursor }
    next = changes.next
  }
  throw new Error(`not at its end after ${ENOUGH_PAGES} pages`)
}

t.test('folders with refused changes are not retried without a pause', async t => {
  for (const part of [
    { status: 503, body: '' },
    { status: 403, body: graphError('ErrorAccessDenied') },
    { status: 400, body: graphError('ErrorInvalidRequest') },
  ]) {
    let isIll = false
    const { mailbox } = await open(t, path => (isIll && path.startsWith('/me/mailFolders/delta') ? part : undefined))
    const call = openCall()
    const synced = await listAll(mailbox, 'pinned:', call)
    isIll = true
    t.match(await failure(listAll(mailbox, synced.cursor, call)), { kind: 'throttled', retryAfterMs: Number })
  }
})

t.test('a page that links to itself is not followed forever', async t => {
  const itself = '/me/mailFolders/inbox-id/messages/delta?same'
  const { graph, mailbox } = await open(t, path =>
    path.includes('/messages/delta')
      ? { status: 200, body: { value: [], '@odata.nextLink': `${graph.rootUrl}${itself}` } }
      : undefined,
  )
  t.match(await failure(listAll(mailbox, 'pinned:', openCall())), { kind: 'unavailable' })
})

t.test('a sweep page that links to itself is not followed forever', async t => {
  const { graph, mailbox } = await open(t, path =>
    path.startsWith('/me/messages?')
      ? { status: 200, body: { value: [], '@odata.nextLink': `${graph.rootUrl}/me/messages?same` } }
      : undefined,
  )
  t.match(await failure(listAll(mailbox, 'pinned:1000', openCall())), {
    kind: 'unavailable',
    message: /form a circle/,
  })
  t.ok(graph.asked.some(({ path }) => path === '/v1.0/me/messages?same'))
})

t.test('one unreadable message does not block the rest of its page', async t => {
  for (const part of [
    { status: 400, body: graphError('ErrorInvalidIdMalformed') },
    { status: 200, body: { id: 'odd', subject: 'neither conversation nor time' } },
  ]) {
    const { graph, mailbox } = await open(t, path => {
      if (path.startsWith('/me/messages/odd')) return part
      if (!path.includes('/messages/delta')) return undefined
      const value = [resource('fine'), { id: 'odd', subject: 'told in part' }]
      const later = `${graph.rootUrl}/me/mailFolders/inbox-id/messages/delta?later`
      return { status: 200, body: { value: path.includes('later') ? [] : value, '@odata.deltaLink': later } }
    })
    const { pages } = await listAll(mailbox, 'pinned:', openCall())
    t.same(
      pages.flatMap(({ ids }) => ids.map(({ id }) => id)).sort(),
      ['fine', 'odd'],
      'it is listed, to be fetched or dead-lettered individually',
    )
  }
})
