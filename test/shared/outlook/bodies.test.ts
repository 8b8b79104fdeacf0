import t, { type Test } from 'tap'
import type { Message } from '../../../shared/message.ts'
import { outlookMailbox } from '../../../shared/outlook/mailbox.ts'
import { startGraph } from '../../../sim/graph.ts'
import { memoryMailbox } from '../../../sim/mailbox.ts'
import { htmlToText } from '../../support/html.ts'
import { heldLinks } from '../../support/links.ts'
import { heldSubscription } from '../../support/subscription.ts'
import { http } from '../../support/surroundings.ts'
import { openCall } from '../gmail/google.ts'

const ADDRESS = 'ana@example.com'
type Options = Parameters<typeof outlookMailbox>[0]

const mail = (text: string, type = 'text/plain') =>
  ['From: Bo <bo@example.com>', 'Subject: Hi', `Content-Type: ${type}; charset=utf-8`, '', text].join('\r\n')

const TOO_LARGE = { text: '', kind: 'none', isPart: true, note: 'too large' }
const shown = ({ body }: Message) => (body?.note === undefined ? body?.text.slice(0, 3) : body)

async function opened(t: Test, mails: readonly string[], options: Partial<Options> = {}, scope = 'Mail.Read') {
  const all = mails.map((raw, index) => ({ raw, receivedAtMs: 1_790_000_000_000 + index * 1000, labels: ['INBOX'] }))
  const sim = await startGraph({ profile: 'instant', mailboxes: [memoryMailbox(ADDRESS, all)] })
  t.teardown(() => sim.close())
  const token = sim.tokens.access({ address: ADDRESS, scopes: [scope, 'User.Read'] })
  const links = heldLinks()
  const mailboxWith = (more: Partial<Options>) =>
    outlookMailbox({
      http,
      address: ADDRESS,
      tokens: { get: async () => token, refused: async () => false },
      links,
      subscription: heldSubscription(),
      rootUrl: `${sim.url}/v1.0`,
      initialSync: { kind: 'all' },
      pageSize: 50,
      parallel: 4,
      batchSize: 20,
      htmlToText,
      ...options,
      ...more,
    })
  const mailbox = mailboxWith({})
  const list = async (from = mailbox, since?: string) => {
    const call = openCall()
    const messages = []
    let cursor = since ?? (await from.open(openCall())).cursor
    for (let page: string | undefined; ; ) {
      const changes = await from.changes(cursor, page, call)
      messages.push(...(changes.messages ?? []))
      if (changes.cursor !== undefined) {
        cursor = changes.cursor
        break
      }
      page = changes.next
    }
    messages.sort((a, b) => a.date - b.date)
    return { messages, cursor, call }
  }
  return { sim, mailbox, mailboxWith, list }
}

t.test('the delta page brings the texts, in no more calls', async t => {
  const mails = Array.from({ length: 10 }, (_, n) => mail(`This is mail ${n}.`))
  const withTexts = await (await opened(t, mails)).list()
  const without = await opened(t, mails, { htmlToText: undefined })
  const previews = await without.list()
  t.same(
    withTexts.messages.map(({ body }) => body),
    mails.map((_, n) => ({ text: `This is mail ${n}.`, kind: 'html', decodedBy: 'provider' })),
  )
  t.ok(previews.messages.every(({ body }) => body === undefined))
  t.same(withTexts.call.metered, previews.call.metered)
})

t.test('a first listing of fifty makes only calls that list', async t => {
  const mails = Array.from({ length: 60 }, (_, n) => mail(`This is mail ${n}.`))
  const { list } = await opened(t, mails, { initialSync: { kind: 'newest', count: 50 } })
  const { messages, call } = await list()
  t.ok(messages.length >= 50)
  t.same(
    call.metered.filter(([kind]) => kind !== 'list' && kind !== 'delta'),
    [],
  )
})

t.test('a changed message keeps its text, and a draft without a sender has one', async t => {
  const { sim, mailbox, list } = await opened(t, [mail('One'), mail('<p>Two</p><p>lines</p>', 'text/html')])
  const { messages, cursor } = await list()
  t.same(
    messages.map(({ body }) => body?.text),
    ['One', 'Two\nlines'],
  )
  sim.mailbox(ADDRESS).mark(messages[0]?.id ?? '', { flagged: true })
  const changed = await list(mailbox, cursor)
  t.match(changed.messages, [{ labels: /STARRED/, body: { text: 'One' } }])
})

t.test('mail listed by a link without bodies is fetched with its text', async t => {
  const { sim, mailboxWith, list } = await opened(t, [mail('One')], { htmlToText: undefined })
  const { cursor } = await list()
  sim.deliver(ADDRESS, mail('Two'))
  const later = await list(mailboxWith({ htmlToText }), cursor)
  t.same(
    later.messages.map(({ body }) => body?.text),
    ['Two'],
  )
})

t.test('the texts of many messages are fetched and read a hundred at a time', async t => {
  const { sim, mailboxWith, list } = await opened(t, [mail('One')], { htmlToText: undefined, pageSize: 500 })
  const { cursor } = await list()
  for (let n = 0; n < 250; n++) sim.deliver(ADDRESS, mail(`This is mail ${n}.`))
  const before = sim.calls().total
  const asked = new Set<number>()
  const counting: typeof htmlToText = html => {
    asked.add(sim.calls().total - before)
    return htmlToText(html)
  }
  const { messages } = await list(mailboxWith({ htmlToText: counting }), cursor)
  t.equal(new Set(messages.map(({ body }) => body?.text)).size, 250)
  // One call for news, then five, five and three batches of twenty.
  t.same([...asked], [6, 11, 14])
})

t.test('pages that are too large are asked for in smaller ones', async t => {
  const mails = Array.from({ length: 8 }, (_, n) => mail(`${n} ${'x'.repeat(20_000)}`))
  const { list } = await opened(t, mails, { mostBytes: 100_000 })
  const { messages } = await list()
  t.same(
    messages.map(({ body }) => body?.text.slice(0, 2)),
    mails.map((_, n) => `${n} `),
  )
})

t.test('a message too large for a page of its own comes without its text, and the folder goes on', async t => {
  const small = Array.from({ length: 4 }, (_, n) => mail(`${n} ${'x'.repeat(20_000)}`))
  const mails = [...small.slice(0, 2), mail('y'.repeat(300_000)), ...small.slice(2)]
  const narrow = { mostBytes: 100_000, pageSize: 2 }
  for (const batchSize of [20, 1]) {
    const { list } = await opened(t, mails, { ...narrow, batchSize })
    const { messages, call } = await list()
    t.same(messages.map(shown), ['0 x', '1 x', TOO_LARGE, '2 x', '3 x'], 'each once')
    t.notOk(
      call.metered.some(([kind]) => kind === 'single'),
      'no text is fetched',
    )
  }
})

t.test('later too, and no other message is listed or fetched again', async t => {
  const { sim, mailbox, list } = await opened(t, [mail('One'), mail('Two')], { mostBytes: 100_000 })
  const { cursor: first } = await list()
  sim.deliver(ADDRESS, mail('y'.repeat(300_000)))
  sim.deliver(ADDRESS, mail('Three'))
  const { messages, cursor, call } = await list(mailbox, first)
  t.same(new Set(messages.map(shown)), new Set(['Thr', TOO_LARGE]))
  t.equal(messages.length, 2)
  // Three for all folders, six halvings from a page of 50, the page without its text, and the pages after it.
  t.ok(call.metered.length <= 14, `${call.metered.length} calls`)
  t.ok(call.metered.every(([kind]) => kind === 'delta'))

  sim.deliver(ADDRESS, mail('Four'))
  const later = await list(mailbox, cursor)
  t.same(later.messages.map(shown), ['Fou'])
  t.same(later.call.metered, [['delta', 4]], 'the folder is listed with texts, as before')

  const large = messages.find(({ body }) => body?.note === 'too large')
  sim.mailbox(ADDRESS).mark(large?.id ?? '', { flagged: true })
  const changed = await list(mailbox, later.cursor)
  t.match(changed.messages, [{ labels: /STARRED/, body: TOO_LARGE }])

  sim.mailbox(ADDRESS).expireDelta()
  const again = await list(mailbox, changed.cursor)
  t.same(new Set(again.messages.map(shown)), new Set(['One', 'Two', 'Thr', TOO_LARGE, 'Fou']))
  t.notOk(again.messages.length > 5, 'a forgotten link restarts the folder once')
})

t.test('a fetch that is too large is asked for in halves, and a message that is, without its text', async t => {
  const mails = [...Array.from({ length: 6 }, (_, n) => mail(`${n} ${'x'.repeat(20_000)}`)), mail('y'.repeat(300_000))]
  const { list, mailboxWith } = await opened(t, mails)
  const { messages } = await list()
  const narrow = mailboxWith({ mostBytes: 100_000 })
  const wanted = messages.map(({ id, thread }) => ({ id, thread }))
  const answers = [...(await narrow.fetch(wanted, openCall())).values()]
  t.match(
    answers,
    mails.map((_, n) => ({
      message: {
        body: n < 6 ? { text: new RegExp(`^${n} xxx`) } : { text: '', kind: 'none', isPart: true, note: 'too large' },
      },
    })),
  )
  const each = mailboxWith({ mostBytes: 100_000, batchSize: 1 })
  t.match(
    [...(await each.fetch(wanted.slice(5), openCall())).values()],
    [{ outcome: 'ok' }, { message: { body: { note: 'too large' } } }],
  )
})

t.test('a token that shows no texts is refused, with the remedy', async t => {
  const { mailbox, mailboxWith, list } = await opened(t, [mail('One')], {}, 'Mail.ReadBasic')
  const { messages } = await list(mailboxWith({ htmlToText: undefined }))
  const wanted = messages.map(({ id, thread }) => ({ id, thread }))
  t.equal(wanted.length, 1)
  await t.rejects(mailbox.fetch(wanted, openCall()), {
    kind: 'misconfigured',
    message: /grant Mail\.Read .* or set MESSAGE_BODY=snippet/,
  })
})
