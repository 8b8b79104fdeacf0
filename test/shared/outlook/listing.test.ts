import t from 'tap'
import type { Cursor, Page } from '../../../shared/mailbox.ts'
import { outlookMailbox } from '../../../shared/outlook/mailbox.ts'
import { heldLinks } from '../../support/links.ts'
import { heldSubscription } from '../../support/subscription.ts'
import { http } from '../../support/surroundings.ts'
import { type Asked, batchAnswer, graphError, isBatch, type Part, type Reply, resource, startGraph } from './graph.ts'

const call = { signal: new AbortController().signal, meter: () => undefined }
const ENOUGH = 20_000

/** Creates a Graph with scripted answers, batches part by part, and a mailbox that is listed to its end. */
async function startListing(
  t: { teardown(work: () => unknown): void },
  script: (path: string, root: string, asked: Asked) => Part,
) {
  const graph = await startGraph((asked, { rootUrl }): Reply => {
    const path = decodeURIComponent(asked.path.replace('/v1.0', ''))
    return isBatch(asked)
      ? batchAnswer(asked, url => script(decodeURIComponent(url), rootUrl, asked))
      : script(path, rootUrl, asked)
  })
  t.teardown(() => graph.close())
  let now = 1_790_000_000_000
  const links = heldLinks()
  const mailbox = outlookMailbox({
    http,
    address: 'bo@example.com',
    tokens: { get: async () => 'token', refused: async () => false },
    links,
    subscription: heldSubscription(),
    rootUrl: graph.rootUrl,
    initialSync: { kind: 'all' },
    pageSize: 50,
    parallel: 4,
    batchSize: 20,
    now: () => now,
  })
  return {
    graph,
    mailbox,
    /** The reasons why folders cannot be listed for now. */
    faults: async () => [...(await links.faults()).values()],
    later(ms: number) {
      now += ms
    },
    /** Lists pages until the end; throttled ones are retried after their wait. */
    async list(since: Cursor = 'pinned:') {
      const ids: string[] = []
      let [mayBeStale, waits] = [false, 0]
      let page: Page | undefined
      for (let pages = 0; pages < ENOUGH; pages++) {
        try {
          const changes = await mailbox.changes(since, page, call)
          ids.push(...changes.ids.map(({ id }) => id))
          mayBeStale ||= changes.mayBeStale === true
          const { cursor, lookAt } = changes
          if (cursor !== undefined) return { ids, mayBeStale, waits, cursor, lookAt }
          page = changes.next
        } catch (thrown) {
          const { kind, retryAfterMs } = thrown as { kind?: string; retryAfterMs?: number }
          if (kind !== 'throttled') throw thrown
          waits += 1
          now += retryAfterMs ?? 1000
        }
      }
      throw new Error(`${ENOUGH} pages, and no end`)
    },
  }
}

const ok = (body: unknown): Part => ({ status: 200, body })
const gone: Part = { status: 410, body: graphError('syncStateNotFound') }
const missing: Part = { status: 404, body: graphError('ErrorItemNotFound') }
const linkTo = (root: string, folder: string, token: string) =>
  `${root}/me/mailFolders/${folder}/messages/delta?${token}`
const next = (root: string, token: string, value: unknown[] = []) =>
  ok({ value, '@odata.nextLink': linkTo(root, 'inbox-id', `$skiptoken=${token}`) })
const later = (root: string, folder: string, value: unknown[] = []) =>
  ok({ value, '@odata.deltaLink': linkTo(root, folder, '$deltatoken=1') })
const foldersAre = (root: string, ...value: object[]) =>
  ok({ value, '@odata.deltaLink': `${root}/me/mailFolders/delta?$deltatoken=1` })
const inbox = { id: 'inbox-id', parentFolderId: 'root' }

/** Answers everything except the folders' own deltas: there is only an inbox. */
function inboxAlone(path: string, root: string): Part | undefined {
  if (path.startsWith('/me/mailFolders/delta?')) return foldersAre(root, inbox)
  if (path.startsWith('/me/mailFolders/inbox?')) return ok({ id: 'inbox-id' })
  if (/^\/me\/mailFolders\/[a-z]+\?/.test(path)) return missing
  return path.startsWith('/me/messages?') ? ok({ value: [] }) : undefined
}

t.test('a folder whose links expire fast restarts after growing pauses', async t => {
  let forgets = 6
  const { list } = await startListing(t, (path, root) => {
    const other = inboxAlone(path, root)
    if (other) return other
    if (!path.includes('$skiptoken')) return next(root, '1', [resource('m1')])
    forgets -= 1
    return forgets >= 0 ? gone : later(root, 'inbox-id', [resource('m2')])
  })
  const { ids, waits } = await list()
  t.equal(ids.at(-1), 'm2')
  t.ok(waits >= 1, `it waited ${waits} times`)
})

t.test('a folder whose links always expire is set aside', async t => {
  const { list, graph, faults } = await startListing(t, (path, root) => {
    return inboxAlone(path, root) ?? (path.includes('$skiptoken') ? gone : next(root, '1'))
  })
  t.ok((await list()).cursor)
  t.match(await faults(), [{ name: 'inbox', reason: /repeatedly forgets how far a folder is listed/ }])
  t.ok(graph.asked.length < 50, `${graph.asked.length} requests`)
})

t.test('a folder that vanishes during its listing makes known mail uncertain', async t => {
  for (const how of ['it is not found', 'the folder list omits it', 'it was lost once before']) {
    let asked = 0
    const brief = { id: 'brief-id', parentFolderId: 'root' }
    const { list, mailbox } = await startListing(t, (path, root) => {
      if (path.includes('/mailFolders/delta?$deltatoken')) {
        asked += 1
        if (asked === 1) return foldersAre(root, brief)
        if (how.includes('before')) return foldersAre(root)
        return foldersAre(root, { id: 'brief-id', '@removed': { reason: 'deleted' } })
      }
      return inboxAlone(path, root) ?? (path.includes('brief-id') ? missing : later(root, 'inbox-id'))
    })
    const first = await list()
    t.notOk(first.mayBeStale)
    // An interrupted listing has found the folder.
    if (how.includes('omits')) t.ok((await mailbox.changes(first.cursor, undefined, call)).next)
    const second = await list(first.cursor)
    t.ok(second.mayBeStale, how)
    if (how.includes('before')) t.notOk((await list(second.cursor)).mayBeStale, 'there is no new uncertainty')
  }
})

for (const [status, code] of [
  [503, 'ServiceUnavailable'],
  [429, 'TooManyRequests'],
  [403, 'ErrorAccessDenied'],
] as const) {
  t.test(`folders that cannot be asked for (${status}) are not retried at once`, async t => {
    let refusals = 0
    const { list, graph } = await startListing(t, (path, root) => {
      if (path.includes('/mailFolders/delta?') && refusals > 0) {
        refusals -= 1
        return { status, body: graphError(code) }
      }
      return inboxAlone(path, root) ?? later(root, 'inbox-id')
    })
    const { cursor } = await list()
    graph.asked.length = 0
    // The inbox is answered with the first of them.
    refusals = 3
    t.equal((await list(cursor)).waits, status === 403 ? 1 : 2)
    t.ok(graph.asked.length < 8, `${graph.asked.length} requests`)
  })
}

for (const [what, { circle, error, most }] of Object.entries({
  'a link that leads to itself': { circle: 1, error: /form a circle/, most: 10 },
  'links that lead back to the third of them': { circle: 7, error: /form a circle/, most: 50 },
  'empty pages without end': { circle: Number.POSITIVE_INFINITY, error: /1000 empty pages in a row/, most: 1100 },
})) {
  const tokenAfter = (token: number) => `${token + 1 > 2 + circle ? 3 : token + 1}`
  const tokenIn = (path: string) => Number(/\$skiptoken=(\d+)/.exec(path)?.[1] ?? 0)
  const items = circle === Number.POSITIVE_INFINITY ? [] : [resource('m1')]

  t.test(`a folder whose pages are ${what} is set aside`, async t => {
    const { list, graph, faults } = await startListing(t, (path, root) => {
      return inboxAlone(path, root) ?? next(root, tokenAfter(tokenIn(path)), items)
    })
    t.ok((await list()).cursor)
    t.match(await faults(), [{ reason: error }])
    t.ok(graph.asked.length <= most + 5, `${graph.asked.length} requests`)
  })

  t.test(`a listing ends with an error if its sweep is ${what}`, async t => {
    const { list, graph } = await startListing(t, (path, root) => {
      if (!path.startsWith('/me/messages?')) return inboxAlone(path, root) ?? later(root, 'inbox-id')
      const token = tokenAfter(tokenIn(path))
      return ok({ value: items, '@odata.nextLink': `${root}/me/messages?$skiptoken=${token}` })
    })
    // A pinned moment means that earlier mail is known, so a sweep ends the listing.
    await t.rejects(list('pinned:1790000000000'), { message: error })
    t.ok(graph.asked.length <= most, `${graph.asked.length} requests`)
  })
}

t.test('folders that come and go forever end the listing with an error', async t => {
  let born = 0
  const { list, graph } = await startListing(t, (path, root) => {
    if (!path.includes('/mailFolders/delta?$deltatoken')) {
      return inboxAlone(path, root) ?? (path.includes('inbox-id') ? later(root, 'inbox-id') : missing)
    }
    born += 1
    const gone = { id: `folder-${born - 1}`, '@removed': { reason: 'deleted' } }
    return foldersAre(root, gone, { id: `folder-${born}`, parentFolderId: 'root' })
  })
  const { cursor } = await list()
  await t.rejects(list(cursor), { message: /folders appear and disappear faster than they can be listed/ })
  t.ok(graph.asked.length < 250, `${graph.asked.length} requests`)
})

t.test('a folder that is listed but never found is skipped after one search', async t => {
  const ghost = { id: 'ghost-id', parentFolderId: 'root' }
  const { list, graph } = await startListing(t, (path, root) => {
    if (path.includes('/mailFolders/delta?')) return foldersAre(root, inbox, ghost)
    return inboxAlone(path, root) ?? (path.includes('ghost-id') ? missing : later(root, 'inbox-id'))
  })
  const { cursor } = await list()
  graph.asked.length = 0
  await list(cursor)
  t.ok(graph.asked.length <= 3, `${graph.asked.length} requests`)
})

t.test('items of a folder dropped by the same answer do not count as present', async t => {
  const folder = { id: 'oslo-id', parentFolderId: 'root' }
  const { list } = await startListing(t, (path, root) => {
    if (path.includes('/mailFolders/delta?$deltatoken'))
      return foldersAre(root, { ...folder, parentFolderId: 'trash-id' })
    if (path.startsWith('/me/mailFolders/delta?')) return foldersAre(root, inbox, folder)
    if (path.startsWith('/me/mailFolders/deleteditems?')) return ok({ id: 'trash-id' })
    if (path.includes('oslo-id')) return later(root, 'oslo-id', path.includes('$deltatoken') ? [resource('m1')] : [])
    return inboxAlone(path, root) ?? later(root, 'inbox-id')
  })
  const { cursor } = await list()
  const { ids, mayBeStale } = await list(cursor)
  t.same(ids, [])
  t.ok(mayBeStale)
})

t.test("mail in an unknown folder is left out only if messages use the folders' ids", async t => {
  for (const [name, becomes] of [
    ['inbox-id', { outcome: 'filtered', reason: 'in a folder that is not known yet' }],
    ['the-inbox-by-another-id', { outcome: 'ok' }],
  ] as const) {
    const { list, mailbox } = await startListing(t, (path, root) => {
      if (path.startsWith('/me/messages/m2')) return ok(resource('m2', { parentFolderId: 'unheard-of' }))
      return inboxAlone(path, root) ?? later(root, 'inbox-id', [resource('m1', { parentFolderId: name })])
    })
    await list()
    t.match((await mailbox.fetch([{ id: 'm2', thread: 't' }], call)).get('m2'), becomes, name)
  }
})

for (const [status, code] of [
  [500, 'ErrorInternalServerError'],
  [403, 'ErrorAccessDenied'],
  [400, 'ErrorInvalidRequest'],
] as const) {
  t.test(`a folder that always answers ${status} leaves the others alone, with growing retries`, async t => {
    let isIll = true
    const sick = { id: 'sick-id', parentFolderId: 'root' }
    const {
      list,
      mailbox,
      faults,
      graph,
      later: pass,
    } = await startListing(t, (path, root) => {
      if (path.startsWith('/me/mailFolders/delta?')) return foldersAre(root, inbox, sick)
      if (path.startsWith('/me/mailFolders/sick-id?')) return ok({ displayName: 'Receipts' })
      if (path.includes('sick-id') && isIll) return { status, body: graphError(code) }
      if (path.includes('sick-id')) return later(root, 'sick-id', [resource('late', { parentFolderId: 'sick-id' })])
      return inboxAlone(path, root) ?? later(root, 'inbox-id', path.includes('deltatoken') ? [] : [resource('m1')])
    })
    const first = await list()
    t.same(first.ids, ['m1'])
    const [fault] = await faults()
    t.match(fault, { name: 'Receipts', times: 3, reason: new RegExp(code) })

    graph.asked.length = 0
    const idle = await mailbox.changes(first.cursor, undefined, call)
    t.equal(idle.lookAt, fault?.tryAt, 'a retry is scheduled for then')
    t.notOk(
      graph.asked.some(({ path, body }) => (path + body).includes('sick-id')),
      'it is not asked before',
    )
    let { cursor } = idle
    const pauses: number[] = []
    for (let n = 0; n < 8; n += 1) {
      const before = (await faults())[0]?.tryAt ?? 0
      pass(3_600_000)
      cursor = (await list(cursor)).cursor
      pauses.push(Math.round((((await faults())[0]?.tryAt ?? 0) - before) / 60_000))
    }
    t.same(pauses.slice(-2), [60, 60], `${pauses}`)
    isIll = false
    pass(3_600_000)
    t.same((await list(cursor)).ids, ['late'], 'it is listed after it recovers')
    t.same(await faults(), [])
  })
}

t.test('folders that all refuse foreign links restart, and a sweep follows', async t => {
  let way = 'first'
  const { list, faults } = await startListing(t, (path, root) => {
    const isOld = path.includes('deltatoken=1') && way === 'second'
    if (isOld) return { status: 400, body: graphError('BadRequest') }
    return inboxAlone(path, root) ?? later(root, 'inbox-id', [resource(way)])
  })
  const { cursor } = await list()
  way = 'second'
  const second = await list(cursor)
  t.same(second.ids, ['second'])
  t.ok(second.mayBeStale)
  t.same(await faults(), [])
})

for (const [status, code] of [
  [500, 'ErrorInternalServerError'],
  [403, 'ErrorAccessDenied'],
] as const) {
  t.test(`a partial item whose message answers ${status} is listed for a separate request`, async t => {
    const { mailbox, list } = await startListing(t, (path, root) => {
      if (path.startsWith('/me/messages/part')) return { status, body: graphError(code) }
      return inboxAlone(path, root) ?? later(root, 'inbox-id', [resource('m1'), { id: 'part' }])
    })
    t.same((await list()).ids, ['m1', 'part'])
    const { next: page } = await mailbox.changes('pinned:', undefined, call)
    t.match((await mailbox.changes('pinned:', page, call)).ids[1], { id: 'part', verify: true })
  })
}

t.test('the list of folders is checked again after a sweep', async t => {
  const { list, faults } = await startListing(t, (path, root) => {
    if (path.startsWith('/me/mailFolders/delta?'))
      return foldersAre(root, inbox, { id: 'sick-id', parentFolderId: 'root' })
    if (path.includes('sick-id')) return { status: 500, body: graphError('ErrorInternalServerError') }
    return inboxAlone(path, root) ?? later(root, 'inbox-id', [resource('m1')])
  })
  const { lookAt } = await list('pinned:1790000000000')
  t.equal(lookAt, (await faults())[0]?.tryAt)
  t.ok(lookAt)
})
