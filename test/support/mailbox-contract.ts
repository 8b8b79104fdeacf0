import type { Test } from 'tap'
import { MailError } from '../../shared/error.ts'
import type { Call, CallKind, Changes, Cursor, Mailbox } from '../../shared/mailbox.ts'
import type { MessageId } from '../../shared/message.ts'

/** A mailbox under test; its first sync lists all of it. */
export interface ContractSubject {
  mailbox: Mailbox
  /** Delivers so many mails, each in its own thread or distributed over so many threads, and returns their ids in order of delivery. */
  deliver(count: number, threads?: number): Promise<readonly MessageId[]>
  /** Delivers one raw mail, and returns its id. */
  deliverMail?(raw: string): Promise<MessageId>
  /** Files are named, and events have a time; otherwise a message says only that it has them. */
  isDetailed?: boolean
  /** Deletes a message for good. */
  remove?(id: MessageId): Promise<void>
  /** Adds labels to a message and removes others. */
  relabel?(id: MessageId, added: readonly string[], removed: readonly string[]): Promise<void>
  /** Its mail is in several folders that are listed in parallel: the order of delivery holds within each. */
  inFolders?: boolean
  /** A valid id that the provider never issued. */
  unknown: MessageId
  /** Whole texts are read, not only previews. */
  texts?: boolean
  /** The number of HTTP requests so far, except for tokens, where it is known. */
  requests?(): number
  close(): Promise<void>
}

const ENOUGH_PAGES = 1000
const PROMPTLY_MS = 1000
const LONG_ENOUGH_MS = 2 * 24 * 3_600_000

const rawMail = (headers: readonly string[], body = 'Hello.') =>
  ['From: Bo <bo@example.com>', ...headers, '', body].join('\r\n')
const parted = (type: string, content: string) =>
  rawMail(
    ['Subject: Parts', 'Content-Type: multipart/mixed; boundary=b'],
    ['--b', 'Content-Type: text/plain', '', 'See below.', '--b', `Content-Type: ${type}`, '', content, '--b--'].join(
      '\r\n',
    ),
  )
const EVENT = ['METHOD:REQUEST', 'BEGIN:VEVENT', 'UID:1', 'DTSTART:20261201T100000Z', 'END:VEVENT']
// Of a list, by a program, with a file, and with an invitation.
const TELLING = [
  rawMail(['Subject: News', 'List-Id: <deck.example.com>', 'Content-Language: da']),
  rawMail(['Subject: Away', 'Auto-Submitted: auto-replied']),
  parted('application/pdf; name="offer.pdf"', 'AAEC'),
  parted('text/calendar; method=REQUEST', ['BEGIN:VCALENDAR', ...EVENT, 'END:VCALENDAR'].join('\r\n')),
]

/** Tests the guarantees of every Mailbox; `open` gives each fact its own empty mailbox. */
export function mailboxContract(t: Test, name: string, open: () => Promise<ContractSubject>): void {
  const fact = (what: string, check: (t: Test, subject: ContractSubject, calls: Calls) => Promise<void>) =>
    t.test(`${name}: ${what}`, async t => {
      const subject = await open()
      try {
        await check(t, subject, startCalls())
      } finally {
        await subject.close()
      }
    })

  fact('an empty mailbox lists nothing', async (t, { mailbox }, { call }) => {
    const { address, cursor } = await mailbox.open(call)
    t.match(address, /@/)
    const synced = await listAll(mailbox, cursor, call)
    t.same(listedIds(synced), [])
    t.same(listedIds(await listAll(mailbox, synced.cursor, call)), [])
  })

  fact('the first sync lists everything once', async (t, { mailbox, deliver }, { call }) => {
    const delivered = await deliver(25)
    const { cursor } = await mailbox.open(call)
    const synced = await listAll(mailbox, cursor, call)
    t.same([...listedIds(synced)].sort(), [...delivered].sort())
    t.ok(synced.pages.every(page => page.ids.every(({ id, thread }) => id !== '' && thread !== '')))
  })

  fact('mail delivered after opening, and between pages, is listed', async (t, { mailbox, deliver }, { call }) => {
    const delivered = [...(await deliver(15))]
    const { cursor } = await mailbox.open(call)
    delivered.push(...(await deliver(2)))
    const synced = await listAll(mailbox, cursor, call, async () => void delivered.push(...(await deliver(1))))
    delivered.push(...(await deliver(2)))
    const later = await listAll(mailbox, synced.cursor, call)
    const found = new Set([...listedIds(synced), ...listedIds(later)])
    t.same([...found].sort(), delivered.sort())
  })

  fact('changes list new mail in order, and nothing else', async (t, { mailbox, deliver, inFolders }, { call }) => {
    const ordered = (ids: readonly MessageId[]) => (inFolders ? [...ids].sort() : ids)
    await deliver(5)
    const synced = await listAll(mailbox, (await mailbox.open(call)).cursor, call)
    const first = await deliver(12)
    const changed = await listAll(mailbox, synced.cursor, call)
    t.same(ordered(listedIds(changed)), ordered(first))
    const second = await deliver(1)
    t.same(listedIds(await listAll(mailbox, changed.cursor, call)), second)
  })

  fact(
    'an unchanged mailbox lists nothing, and every cursor works again',
    async (t, { mailbox, deliver }, { call }) => {
      const old = await deliver(3)
      const { cursor } = await mailbox.open(call)
      const synced = await listAll(mailbox, cursor, call)
      const again = await listAll(mailbox, synced.cursor, call)
      t.same(listedIds(again), [])
      const fresh = await deliver(2)
      for (const since of [again.cursor, again.cursor, synced.cursor]) {
        t.same([...listedIds(await listAll(mailbox, since, call))].sort(), [...fresh].sort())
      }
      t.same([...listedIds(await listAll(mailbox, cursor, call))].sort(), [...old, ...fresh].sort())
    },
  )

  fact('a listed message equals the fetched one', async (t, { mailbox, deliver }, { call }) => {
    await deliver(7)
    const { pages } = await listAll(mailbox, (await mailbox.open(call)).cursor, call)
    const listed = pages.flatMap(page => page.ids)
    const brought = pages.flatMap(page => page.messages ?? [])
    t.ok(brought.length === 0 || brought.length === listed.length)
    const answers = await mailbox.fetch(listed, call)
    for (const message of brought) t.same(answers.get(message.id), { outcome: 'ok', message })
  })

  fact('fetching answers every wanted id, each with its own message', async (t, { mailbox, deliver }, { call }) => {
    await deliver(20)
    const { pages } = await listAll(mailbox, (await mailbox.open(call)).cursor, call)
    const listed = pages.flatMap(page => page.ids)
    for (const wanted of [
      listed,
      listed.slice(0, 2),
      listed.slice(0, 1),
      [...listed.slice(3, 6), ...listed.slice(4, 5)],
      [],
    ]) {
      const answers = await mailbox.fetch(wanted, call)
      t.same([...answers.keys()].sort(), [...new Set(wanted.map(({ id }) => id))].sort())
      for (const { id, thread } of wanted) t.match(answers.get(id), { outcome: 'ok', message: { id, thread } })
    }
  })

  fact('messages have their texts where texts are read, listed or fetched', async (t, subject, { call }) => {
    const { mailbox, deliver, texts = false } = subject
    await deliver(6, 2)
    const { pages } = await listAll(mailbox, (await mailbox.open(call)).cursor, call)
    const listed = pages.flatMap(page => page.ids)
    const fetched = [...(await mailbox.fetch(listed, call)).values()]
    const alone = [...(await mailbox.fetch(listed.slice(0, 1), call)).values()]
    const messages = [
      ...pages.flatMap(page => page.messages ?? []),
      ...[...fetched, ...alone].flatMap(answer => (answer.outcome === 'ok' ? [answer.message] : [])),
    ]
    t.ok(messages.length >= 7)
    for (const { subject, body } of messages) {
      const text = `This is mail ${subject.split(' ').at(-1)}.`
      t.match(body, texts ? { text, kind: /plain|html/ } : undefined)
    }
  })

  fact('what a mail is shows in it, listed or fetched', async (t, subject, { call }) => {
    const { mailbox, deliverMail, isDetailed } = subject
    if (!deliverMail) return void t.pass('no mail of its own can be delivered here')
    const ids = []
    for (const raw of TELLING) ids.push(await deliverMail(raw))
    const { pages } = await listAll(mailbox, (await mailbox.open(call)).cursor, call)
    const listed = pages.flatMap(page => page.ids)
    const answers = [...(await mailbox.fetch(listed, call)).values()]
    const fetched = answers.flatMap(answer => (answer.outcome === 'ok' ? [answer.message] : []))
    for (const messages of [fetched, pages.flatMap(page => page.messages ?? [])]) {
      if (messages.length === 0) continue
      const [list, reply, files, invite] = ids.map(id => messages.find(message => message.id === id))
      t.same(list?.class, { kind: 'list', cause: 'header List-Id' })
      t.equal(list?.contentLanguage, 'da')
      t.match(reply, { class: { kind: 'automated', cause: 'header Auto-Submitted' }, isAutoReply: true })
      t.same([files?.class, files?.isAutoReply], [undefined, undefined])
      t.match(
        files,
        isDetailed
          ? { attachments: [{ name: 'offer.pdf' }], hasFiles: undefined }
          : { hasFiles: true, attachments: undefined },
      )
      t.equal(list?.hasFiles ?? list?.attachments, undefined)
      t.match(invite?.invites, [
        isDetailed ? { method: 'REQUEST', start: '2026-12-01T10:00:00Z' } : { method: 'REQUEST', start: undefined },
      ])
      t.equal(list?.invites, undefined)
    }
  })

  fact('extra messages are whole, and of a wanted thread', async (t, subject, { call }) => {
    const { mailbox, deliver, remove } = subject
    await deliver(12, 3)
    const { pages } = await listAll(mailbox, (await mailbox.open(call)).cursor, call)
    const listed = pages.flatMap(page => page.ids)
    const threads = [...new Set(listed.map(({ thread }) => thread))]
    const of = (thread: string | undefined) => listed.filter(one => one.thread === thread)
    t.equal(threads.length, 3)
    for (const wanted of [
      listed,
      of(threads[0]).slice(0, 2),
      of(threads[1]),
      [...of(threads[0]), ...of(threads[1]).slice(1)],
    ]) {
      const [answers, same] = await Promise.all([mailbox.fetch(wanted, call), mailbox.fetch(wanted, call)])
      for (const { id, thread } of wanted) {
        t.match(answers.get(id), { outcome: 'ok', message: { id, thread } })
        t.match(same.get(id), { outcome: 'ok', message: { id, thread } }, 'asked for twice at the same time')
      }
      for (const [id, answer] of [...answers, ...same]) {
        const thread = listed.find(one => one.id === id)?.thread
        t.match(answer, { outcome: 'ok', message: { id, thread } })
        t.ok(wanted.some(one => one.thread === thread))
      }
    }
    const [lost, ...kept] = of(threads[2])
    if (!remove || !lost) return
    await remove(lost.id)
    const answers = await mailbox.fetch([lost, ...kept], call)
    t.match(answers.get(lost.id), { outcome: 'gone' })
    for (const { id } of kept) t.match(answers.get(id), { outcome: 'ok', message: { id } })
  })

  fact('an unknown id is gone and affects no other', async (t, { mailbox, deliver, unknown }, { call }) => {
    const [id = ''] = await deliver(1)
    const wanted = [
      { id: unknown, thread: unknown },
      { id, thread: id },
    ]
    const answers = await mailbox.fetch(wanted, call)
    t.match(Object.fromEntries(answers), { [unknown]: { outcome: 'gone' }, [id]: { outcome: 'ok', message: { id } } })
    t.match((await mailbox.fetch(wanted.slice(0, 1), call)).get(unknown), { outcome: 'gone' })
  })

  fact(
    'a deleted message is listed as gone, or as one that left and cannot be fetched',
    async (t, { mailbox, deliver, remove }, { call }) => {
      if (!remove) return void t.pass('nothing can be deleted here')
      const [id = '', kept = ''] = await deliver(2)
      const synced = await listAll(mailbox, (await mailbox.open(call)).cursor, call)
      await remove(id)
      const changed = await listAll(mailbox, synced.cursor, call)
      const listed = synced.pages.flatMap(page => page.ids).find(one => one.id === id)
      const gone = changed.pages.flatMap(page => page.gone)
      const left = changed.pages.flatMap(page => page.left ?? [])
      t.same([...gone.map(one => one.id), ...left], [id])
      for (const { thread = listed?.thread } of gone) t.equal(thread, listed?.thread)
      t.same(listedIds(changed), [])
      const answers = await mailbox.fetch(
        [id, kept].map(one => ({ id: one, thread: one })),
        call,
      )
      t.match(Object.fromEntries(answers), { [id]: { outcome: 'gone' }, [kept]: { outcome: 'ok' } })
    },
  )

  fact('after a lost cursor everything is reported, and later mail is listed', async (t, subject, { call }) => {
    const { mailbox, deliver, remove } = subject
    const delivered = [...(await deliver(16))]
    const synced = await listAll(mailbox, (await mailbox.open(call)).cursor, call)
    if (remove) await remove(delivered.shift() ?? '')
    // Everything was received after that moment.
    const { cursor } = await mailbox.open(call, 1_000)
    const fresh = await deliver(2)
    const again = await listAll(mailbox, cursor, call)
    const later = await listAll(mailbox, again.cursor, call)
    t.ok(again.pages.at(-1)?.present, 'the last page says that the listing tells what is there')
    const present = again.pages.flatMap(page => page.present?.map(({ id }) => id) ?? [])
    const allOf = new Set([...present, ...listedIds(later)])
    t.same([...allOf].sort(), [...delivered, ...fresh].sort())
    t.same([...new Set([...listedIds(again), ...listedIds(later)])].sort(), [...delivered, ...fresh].sort())
    t.ok(again.pages.every(page => page.ids.length === 0 || page.overlaps))
    t.ok(synced.pages.every(page => page.present === undefined))
  })

  fact(
    'changed labels are reported, as a change or with the message, and nothing else',
    async (t, subject, { call }) => {
      const { mailbox, deliver, relabel } = subject
      if (!relabel) return void t.pass('nothing can be relabelled here')
      const [id = ''] = await deliver(2)
      const synced = await listAll(mailbox, (await mailbox.open(call)).cursor, call)
      const listed = synced.pages.flatMap(page => page.ids).find(one => one.id === id)
      await relabel(id, ['STARRED'], [])
      const changed = await listAll(mailbox, synced.cursor, call)
      const labels = changed.pages.flatMap(page => page.labels)
      const again = changed.pages.flatMap(page => page.messages ?? [])
      if (again.length === 0) {
        t.same(listedIds(changed), [])
        t.same(labels, [{ id, thread: listed?.thread, added: ['STARRED'], removed: [] }])
      } else {
        t.ok(changed.pages.every(page => page.ids.length === 0 || page.overlaps))
        t.match(again, [{ id, thread: listed?.thread }])
        t.ok(again[0]?.labels.includes('STARRED'))
        t.same(listedIds(changed), [id])
      }
      t.same(listedIds(await listAll(mailbox, changed.cursor, call)), [])
    },
  )

  fact('a watch starts, is extended and stops', async (t, { mailbox }, { call, metered }) => {
    const first = await mailbox.watch(call)
    t.ok(first.expiresAt > Date.now() + LONG_ENOUGH_MS, 'a watch that is renewed daily never lapses')
    const second = await mailbox.watch(call)
    t.ok(second.expiresAt >= first.expiresAt)
    await mailbox.stop(call)
    t.equal(metered.length, 3)
    await mailbox.stop(call)
  })

  fact('the last page of changes carries a position that grows', async (t, subject, { call }) => {
    const { mailbox, deliver } = subject
    const synced = await listAll(mailbox, (await mailbox.open(call)).cursor, call)
    const before = (await listAll(mailbox, synced.cursor, call)).pages.at(-1)?.upTo
    await deliver(3)
    const { pages } = await listAll(mailbox, synced.cursor, call)
    t.ok(pages.slice(0, -1).every(page => page.upTo === undefined))
    const after = pages.at(-1)?.upTo
    if (before === undefined) return void t.equal(after, undefined, 'this provider does not number changes')
    t.ok(BigInt(after ?? 0) > BigInt(before))
  })

  fact('an aborted call fails promptly with a MailError', async (t, { mailbox, deliver }, { call }) => {
    const [id = '', other = ''] = await deliver(2)
    const { cursor } = await mailbox.open(call)
    const wanted = [id, other].map(one => ({ id: one, thread: one }))
    const works: ((call: Call) => Promise<unknown>)[] = [
      call => mailbox.open(call),
      call => mailbox.changes(cursor, undefined, call),
      call => mailbox.fetch(wanted, call),
      call => mailbox.fetch(wanted.slice(1), call),
      call => mailbox.watch(call),
      call => mailbox.stop(call),
    ]
    for (const work of works) {
      const before = startCalls()
      before.giveUp()
      t.ok((await thrownBy(work(before.call))) instanceof MailError)
      t.same(before.metered, [], 'given up before: nothing is sent')
      const during = startCalls()
      const began = Date.now()
      const thrown = thrownBy(work(during.call))
      during.giveUp()
      t.ok((await thrown) instanceof MailError)
      t.ok(Date.now() - began < PROMPTLY_MS)
    }
    t.equal((await mailbox.fetch(wanted, call)).size, 2, 'the mailbox is none the worse for it')
  })

  fact('every HTTP request is metered once', async (t, { mailbox, deliver, requests }, { call, metered }) => {
    const started = requests?.() ?? 0
    const ids = await deliver(4)
    const { cursor } = await mailbox.open(call)
    const synced = await listAll(mailbox, cursor, call)
    await listAll(mailbox, synced.cursor, call)
    await mailbox.fetch(
      ids.map(id => ({ id, thread: id })),
      call,
    )
    await mailbox.fetch(
      ids.slice(1, 2).map(id => ({ id, thread: id })),
      call,
    )
    t.ok(metered.length >= 5)
    t.ok(metered.every(([, units]) => units > 0))
    if (requests) t.equal(metered.length, requests() - started)
  })
}

interface Calls {
  call: Call
  metered: [CallKind, number][]
  giveUp(): void
}

function startCalls(): Calls {
  const controller = new AbortController()
  const metered: [CallKind, number][] = []
  const call = { signal: controller.signal, meter: (kind: CallKind, units: number) => void metered.push([kind, units]) }
  return { call, metered, giveUp: () => controller.abort() }
}

async function listAll(mailbox: Mailbox, since: Cursor, call: Call, between: () => Promise<void> = async () => {}) {
  const pages: Changes[] = []
  for (let page: Changes['next']; pages.length < ENOUGH_PAGES; ) {
    const changes = await mailbox.changes(since, page, call)
    pages.push(changes)
    if (changes.cursor !== undefined) {
      if (changes.next !== undefined) throw new Error('a page has both a next page and a cursor')
      return { pages, cursor: changes.cursor }
    }
    if (changes.next === undefined) throw new Error('a page has neither a next page nor a cursor')
    page = changes.next
    await between()
  }
  throw new Error(`the listing does not end within ${ENOUGH_PAGES} pages`)
}

function listedIds({ pages }: { pages: readonly Changes[] }): readonly MessageId[] {
  return pages.flatMap(page => page.ids.map(({ id }) => id))
}

function thrownBy(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    error => error,
  )
}
