import t from 'tap'
import { readMessage as readGmail } from '../../../shared/gmail/message.ts'
import { judge } from '../../../shared/gmail/outcome.ts'
import type { Message } from '../../../shared/message.ts'
import type { GraphClient } from '../../../shared/outlook/client.ts'
import { fetchMessages } from '../../../shared/outlook/fetch.ts'
import { summarizeItems } from '../../../shared/outlook/items.ts'
import { isWhole, readMessage as readOutlook } from '../../../shared/outlook/message.ts'
import { resource } from '../outlook/graph.ts'

const now = () => NOW
const EVERYTHING = { labels: [], skip: [] }
const NOW = Date.parse('2026-11-30T08:00:00Z')
const SENT = Date.parse('2026-11-01T08:00:00Z')
const SENT_TEXT = 'Sun, 01 Nov 2026 09:00:00 +0100 (CET)'

const gmail = (rest: object, ...dates: string[]): Message | undefined =>
  readGmail(
    { id: 'a', threadId: 't', payload: { headers: dates.map(value => ({ name: 'DATE', value })) }, ...rest },
    NOW,
  )
const outlook = (rest: Record<string, unknown>): Message | undefined => readOutlook(resource('m', rest), NOW)?.message

t.test('the provider dates a message, then its sender, then the read time', async t => {
  t.equal(gmail({ internalDate: `${SENT}` }, 'Mon, 02 Nov 2026 09:00:00 +0100')?.date, SENT)
  t.equal(outlook({ receivedDateTime: '2026-11-01T08:00:00Z', sentDateTime: '2026-10-01T08:00:00Z' })?.date, SENT)
  t.equal(gmail({}, SENT_TEXT)?.date, SENT)
  t.equal(outlook({ receivedDateTime: null, sentDateTime: '2026-11-01T08:00:00Z' })?.date, SENT)
  t.equal(outlook({ receivedDateTime: undefined, createdDateTime: '2026-11-01T09:00:00+01:00' })?.date, SENT)
  t.equal(gmail({}, 'yesterday')?.date, NOW)
  t.equal(outlook({ receivedDateTime: 'yesterday' })?.date, NOW)
})

t.test('an unset provider date is ignored: neither 1970 nor year 1', async t => {
  for (const internalDate of ['0', 0, '-62135596800000', '1e30', '', null, 'soon', '3600000']) {
    t.equal(gmail({ internalDate }, SENT_TEXT)?.date, SENT, `${internalDate}`)
    t.equal(gmail({ internalDate })?.date, NOW, `${internalDate}`)
  }
  for (const receivedDateTime of ['0001-01-01T00:00:00Z', '1970-01-01T00:00:00Z', '', null, 7]) {
    t.equal(outlook({ receivedDateTime, sentDateTime: '2026-11-01T08:00:00Z' })?.date, SENT, `${receivedDateTime}`)
    t.equal(outlook({ receivedDateTime })?.date, NOW, `${receivedDateTime}`)
  }
  const begun = performance.now()
  t.equal(gmail({}, `${'('.repeat(400_000)} 2026`)?.date, NOW)
  t.ok(performance.now() - begun < 500)
})

t.test('a fetched message without any date is accepted at both providers', async t => {
  const options = { name: 'gmail:ana@example.com', now }
  const body = { id: 'a', threadId: 't' }
  const alone = judge(options, { message: 'a' }, { status: 200, body })
  t.match(alone.outcomes.get('a'), { outcome: 'ok', message: { date: NOW } })
  const whole = { status: 200, body: { id: 't', messages: [body, { ...body, id: 'b' }] } }
  t.match(
    [...judge(options, { thread: 't', ids: ['a', 'b'] }, whole).outcomes.values()],
    [
      { outcome: 'ok', message: { date: NOW } },
      { outcome: 'ok', message: { date: NOW } },
    ],
  )
  const { receivedDateTime: _, ...undated } = resource('m')
  const ask = async () => ({ status: 200, body: undated })
  const client = { ask, pathOf: (url: string) => url } as unknown as GraphClient
  const call = { signal: new AbortController().signal, meter: () => undefined }
  const outlook = { name: 'outlook:bo@example.com', user: '/me', filter: EVERYTHING, leftOutIn: () => undefined }
  const answers = await fetchMessages({ ...outlook, client, batchSize: 20, now }, [{ id: 'm' }], call)
  t.match(answers.get('m'), { outcome: 'ok', message: { date: NOW } })
})

t.test('a listed message without a date is fetched alone', async t => {
  for (const receivedDateTime of [null, '0001-01-01T00:00:00Z']) {
    const item = resource('m', { receivedDateTime })
    t.ok(isWhole(item))
    t.match(summarizeItems([[item, resource('n')]], EVERYTHING), { ids: [{ id: 'n' }], incomplete: ['m'] })
  }
})
