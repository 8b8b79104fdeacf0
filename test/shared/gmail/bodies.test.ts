import iconv from 'iconv-lite'
import t, { type Test } from 'tap'
import { readInvites } from '../../../shared/calendar/invites.ts'
import { sendWithBodies } from '../../../shared/gmail/bodies.ts'
import { decodeRare } from '../../../shared/http/charset.ts'
import { ADDRESS, openSimulatedGmail } from '../../support/simulated-gmail.ts'
import { openCall } from './google.ts'

async function opened(
  t: Test,
  mails: readonly (string | Buffer)[],
  options: Parameters<typeof openSimulatedGmail>[2] = {},
) {
  const { sim, mailbox, mailboxWith } = await openSimulatedGmail(t, mails, options)
  const { cursor } = await mailbox.open(openCall())
  const { ids } = await mailbox.changes(cursor, undefined, openCall())
  const call = openCall()
  // Oldest first, as they were delivered.
  const fetched = async (wanted = ids.toReversed()) => {
    const answers = await mailbox.fetch(wanted, call)
    return wanted.map(({ id }) => answers.get(id))
  }
  return { sim, mailbox, mailboxWith, ids: ids.toReversed(), call, fetched }
}

const mail = (text: string | Buffer, type = 'text/plain; charset=utf-8', more: readonly string[] = []) =>
  Buffer.concat([
    Buffer.from(['From: Bo <bo@example.com>', 'Subject: Hi', `Content-Type: ${type}`, ...more, '', ''].join('\r\n')),
    Buffer.from(text),
  ])
const texts = (answers: readonly unknown[]) =>
  answers.map(answer => (answer as { message?: { body?: { text: string } } })?.message?.body?.text)

t.test('messages come with their texts for the same units', async t => {
  const { call, fetched } = await opened(
    t,
    Array.from({ length: 20 }, (_, n) => mail(`This is mail ${n}.`)),
  )
  t.same(
    texts(await fetched()),
    Array.from({ length: 20 }, (_, n) => `This is mail ${n}.`),
  )
  t.same(call.metered, [['batch', 400]])
})

t.test('a mail comes with its class and its invitation', async t => {
  const calendar = [
    'BEGIN:VCALENDAR',
    'METHOD:REQUEST',
    'BEGIN:VEVENT',
    'SUMMARY:Møde',
    'DTSTART;TZID=Europe/Copenhagen:20261201T100000',
    'END:VEVENT',
    'END:VCALENDAR',
  ].join('\r\n')
  const parts = [
    '--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nSee you.',
    `--b\r\nContent-Type: text/calendar; charset=utf-8; method=REQUEST\r\n\r\n${calendar}`,
    '--b--\r\n',
  ].join('\r\n')
  const mails = [mail(parts, 'multipart/alternative; boundary=b', ['List-Id: <deck.example.com>'])]
  const { fetched } = await opened(t, mails, { readInvites })
  t.match(await fetched(), [
    {
      message: {
        class: { kind: 'list', cause: 'header List-Id' },
        invites: [{ method: 'REQUEST', summary: 'Møde', start: '2026-12-01T10:00:00', zone: 'Europe/Copenhagen' }],
      },
    },
  ])
})

t.test('a text is the same in UTF-8 under the old charset and in that charset', async t => {
  const danish = 'Kære Søren, vi mødes på åen kl. 9.'
  const japanese = 'お世話になっております。'
  const mails = [
    mail(iconv.encode(danish, 'windows-1252'), 'text/plain; charset="iso-8859-1"'),
    mail(iconv.encode(japanese, 'shift_jis'), 'text/plain; charset=Shift_JIS'),
  ]
  const { sim, fetched } = await opened(t, mails)
  const decoded = [
    { message: { body: { text: danish, charset: 'iso-8859-1', decodedBy: 'utf-8' } } },
    { message: { body: { text: japanese, charset: 'Shift_JIS', decodedBy: 'utf-8' } } },
  ]
  t.match(await fetched(), decoded)
  sim.quirks.keptCharsets = true
  t.match(await fetched(), [
    { message: { body: { text: danish, decodedBy: 'declared' } } },
    { message: { body: { text: japanese } } },
  ])
})

const PARTS = (text: string) =>
  mail(
    [
      '--b',
      'Content-Type: multipart/alternative; boundary=inner',
      '',
      '--inner',
      'Content-Type: text/plain; charset=utf-8',
      '',
      text,
      '--inner',
      'Content-Type: text/html',
      '',
      `<p>${text}</p>`,
      '--inner--',
      '--b',
      'Content-Type: application/pdf',
      'Content-Disposition: attachment; filename="offer.pdf"',
      'Content-Transfer-Encoding: base64',
      '',
      'AAECAwQF',
      '--b--',
    ].join('\r\n'),
    'multipart/mixed; boundary=b',
  )

t.test('files are named and not fetched', async t => {
  const { call, fetched } = await opened(t, [PARTS('Dear Ana')])
  t.match(await fetched(), [
    { message: { body: { text: 'Dear Ana' }, attachments: [{ name: 'offer.pdf', type: 'application/pdf', size: 6 }] } },
  ])
  t.same(call.metered, [['single', 20]])
})

const ALTERNATIVES = (text: string, page: string) => {
  const parts = [
    '--b',
    'Content-Type: text/plain; charset=utf-8',
    '',
    text,
    '--b',
    'Content-Type: text/html',
    '',
    page,
    '--b--',
  ]
  return mail(parts.join('\r\n'), 'multipart/alternative; boundary=b')
}

t.test('the text is what people see, whatever the plain form says', async t => {
  const mails = [
    ALTERNATIVES('Pay 9000 to Eve.', '<p>Lunch at noon?</p>'),
    ALTERNATIVES('> Lunch?\r\n\r\nGladly.', '<blockquote>Lunch?</blockquote><p>Gladly.</p>'),
  ]
  const { sim, call, fetched } = await opened(t, mails)
  const seen = [
    { message: { body: { text: 'Lunch at noon?', kind: 'html', note: /^the plain form says something else/ } } },
    { message: { body: { text: '> Lunch?\n\nGladly.', kind: 'plain' } } },
  ]
  t.match(await fetched(), seen)
  t.same(call.metered, [['batch', 40]])
  // The plain forms come along, and the pages do not.
  sim.quirks.largeTextBytes = 20
  t.match(await fetched(), seen)
  t.same(call.metered.slice(1), [
    ['batch', 40],
    ['attachment', 40],
  ])
})

t.test('text in a misspelt transfer encoding is read as it is, and otherwise the message says so', async t => {
  const encoded = (encoding: string) => mail('Dear Ana', 'text/plain', [`Content-Transfer-Encoding: ${encoding}`])
  const { fetched } = await opened(t, [encoded('8-bits'), encoded('x-uuencode')])
  t.match(await fetched(), [
    { message: { body: { text: 'Dear Ana', kind: 'plain' }, attachments: undefined } },
    { message: { body: { text: '', isPart: true, note: 'a text in an unknown transfer encoding is not read' } } },
  ])
})

t.test('files beyond a hundred are counted', async t => {
  const file = '--b\r\nContent-Type: application/pdf; name="a.pdf"\r\n\r\nAAEC\r\n'
  const { fetched } = await opened(t, [mail(`${file.repeat(130)}--b--`, 'multipart/mixed; boundary=b')])
  const [answer] = await fetched()
  t.match(answer, { message: { more: { attachments: 30 } } })
  t.equal(answer?.outcome === 'ok' && answer.message.attachments?.length, 100)
})

t.test('text parts without their content are fetched in one batch, counted apart', async t => {
  const { sim, call, fetched } = await opened(t, [PARTS('Dear Ana'), mail('short'), PARTS('Dear Bo')])
  sim.quirks.largeTextBytes = 6
  t.same(texts(await fetched()), ['Dear Ana', 'short', 'Dear Bo'])
  t.same(call.metered, [
    ['batch', 60],
    ['attachment', 40],
  ])
})

t.test('a text part above the cap is not fetched, and the message says so', async t => {
  const { sim, call, fetched } = await opened(t, [mail('x'.repeat(1_100_000))])
  sim.quirks.largeTextBytes = 1000
  t.match(await fetched(), [{ outcome: 'ok', message: { body: { text: '', isPart: true, note: 'too large' } } }])
  t.same(call.metered, [['single', 20]])
})

t.test('a text part that may still come fails its message alone; one that is gone does not', async t => {
  const { sim, fetched } = await opened(t, [mail('short'), mail('a long text')])
  sim.quirks.largeTextBytes = 6
  const deny = (status: number, reason: string) =>
    sim.faults.set({ denials: [{ path: '/attachments/', status, reason }] })
  deny(503, 'backendError')
  t.match(await fetched(), [{ outcome: 'ok' }, { outcome: 'failed', error: { kind: 'unavailable' } }])
  deny(429, 'rateLimitExceeded')
  t.match(await fetched(), [{ outcome: 'ok' }, { outcome: 'throttled' }])
  deny(404, 'notFound')
  t.match(await fetched(), [
    { message: { body: { text: 'short' } } },
    { message: { body: { text: '', isPart: true, note: 'a text was not fetched' } } },
  ])
})

t.test('a text is never that of another message, however the answers are mixed up', async t => {
  const own = (n: number) => `${'x'.repeat(10 + n)} of ${n}`
  const { sim, fetched } = await opened(
    t,
    Array.from({ length: 8 }, (_, n) => mail(own(n))),
  )
  sim.quirks.largeTextBytes = 6
  sim.faults.set({ rates: { 'unusable-ids': 1, shuffled: 1 } })
  const answers = await fetched()
  const got = texts(answers)
  for (const [n, text] of got.entries()) if (text !== undefined) t.equal(text, own(n))
  t.match(
    answers.filter(answer => answer?.outcome !== 'ok'),
    got.filter(text => text === undefined).map(() => ({ outcome: 'failed', error: { kind: 'unavailable' } })),
  )
  t.ok(got.includes(undefined), 'eight answers in any order are hardly ever in the right one')
})

t.test('a batch answer that is too large is asked for in halves', async t => {
  const mails = Array.from({ length: 8 }, (_, n) => mail(`${n} ${'x'.repeat(20_000)}`))
  const { call, fetched } = await opened(t, mails, { mostBytes: 100_000 })
  t.same(
    texts(await fetched()).map(text => text?.slice(0, 2)),
    mails.map((_, n) => `${n} `),
  )
  t.same(
    call.metered,
    [160, 80, 40, 40, 40, 40].map(units => ['batch', units]),
  )
})

t.test('a message that is too large comes without its text, and a thread message by message', async t => {
  const long = 'y'.repeat(300_000)
  const reply = ['Message-ID: <2@example.com>', 'In-Reply-To: <1@example.com>']
  const mails = [
    mail('short', 'text/plain', ['Message-ID: <1@example.com>']),
    mail(long, 'text/plain', reply),
    mail('other'),
  ]
  const { fetched, ids } = await opened(t, mails, { mostBytes: 100_000 })
  t.equal(ids[0]?.thread, ids[1]?.thread)
  t.match(await fetched(), [
    { message: { body: { text: 'short' } } },
    { message: { subject: 'Hi', body: { text: '', kind: 'none', isPart: true, note: 'too large' } } },
    { message: { body: { text: 'other' } } },
  ])
  t.match(await fetched(ids.slice(1, 2)), [{ message: { body: { note: 'too large' } } }])
})

t.test('the scope gmail.metadata is refused, with the remedy', async t => {
  const { sim, mailbox, mailboxWith, ids } = await opened(t, [mail('one'), mail('two')])
  const token = sim.tokens.access({ address: ADDRESS, scope: 'https://www.googleapis.com/auth/gmail.metadata' })
  const narrow = mailboxWith({ account: { get: async () => token, refused: async () => false } })
  const remedy = /gmail\.metadata shows no texts; connect the mailbox with gmail\.readonly, or set MESSAGE_BODY=snippet/
  await t.rejects(narrow.fetch(ids.slice(0, 1), openCall()), { kind: 'misconfigured', message: remedy })
  const answers = [...(await narrow.fetch(ids, openCall())).values()]
  t.match(
    answers,
    ids.map(() => ({ outcome: 'failed', error: { kind: 'misconfigured', message: remedy } })),
  )
  t.equal((await mailbox.fetch(ids, openCall())).size, 2)
})

t.test('other work goes on between mails of many parts', async t => {
  const part = { mimeType: 'text/plain', body: { size: 1, data: 'eA' } }
  const messages = ['a', 'b', 'c', 'd'].map(id => ({
    id,
    threadId: 't',
    payload: { mimeType: 'multipart/mixed', parts: Array.from({ length: 200 }, () => part) },
  }))
  const body = { id: 't', messages }
  const options = {
    name: ADDRESS,
    now: () => 0,
    client: { ask: async () => ({ status: 200, body }), postBatch: t.fail },
    costs: { messageGet: 5, threadGet: 10 },
    fields: '*',
    batchSize: 10,
    texts: { htmlToText: async () => ({ text: '', hidden: 0 }), decodeRare },
  }
  let turns = 0
  let isOver = false
  const next = () => {
    turns += 1
    if (!isOver) setImmediate(next)
  }
  setImmediate(next)
  const { outcomes } = await sendWithBodies(options as never, [{ thread: 't', ids: ['a', 'b', 'c', 'd'] }], openCall())
  isOver = true
  t.equal(texts([...outcomes.values()]).filter(text => text === Array(200).fill('x').join('\n\n')).length, 4)
  t.ok(turns >= 8, `${turns} turns`)
})
