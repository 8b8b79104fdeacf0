import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { readMessage as readGmail } from '../../../shared/gmail/message.ts'
import type { Message } from '../../../shared/message.ts'
import { readMessage as readOutlook } from '../../../shared/outlook/message.ts'
import type { Task } from '../../../shared/task/schema.ts'
import { buildTask } from '../../../shared/task/task.ts'
import { parseMime } from '../../../sim/mime.ts'
import { lineOf, snippetOf } from '../../../sim/snippet.ts'
import { resource } from '../outlook/graph.ts'

const UNFIT = /[\p{Cc}\p{Surrogate}]/u
const options = { tokens: 8000, promptVersion: '1', model: '' }
const headersOf = (entries: readonly [string, string][]) => entries.map(([name, value]) => ({ name, value }))
const gmail = (snippet: string, ...headers: [string, string][]) =>
  readGmail({
    id: 'm',
    threadId: 't',
    snippet,
    internalDate: '1790000000000',
    payload: { headers: headersOf(headers) },
  })
const outlook = (fields: Record<string, unknown>) => readOutlook(resource('m', fields))?.message
const rootOf = (body: string) =>
  parseMime(Buffer.from(`Subject: a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${body}`).toString('latin1'))

/** Returns a mail of this text at both providers. */
function atBoth(body: string): [string, Task['messages'][number] | undefined][] {
  const preview = lineOf(rootOf(body), 255)
  return [
    ['gmail', taskOf(gmail(snippetOf(rootOf(body)))).messages[0]],
    ['outlook', taskOf(outlook({ bodyPreview: preview })).messages[0]],
  ]
}

t.test('a partial preview is marked, at both providers', async t => {
  for (const body of ['A longer story. '.repeat(40), '"Quoted" & <said> '.repeat(30), '会議の資料です。'.repeat(60)]) {
    for (const [provider, message] of atBoth(body)) t.equal(message?.truncated, true, provider)
  }
  for (const body of ['See you at noon.', '', 'Two\r\n\r\nlines & a "word"', '会議の資料です。']) {
    for (const [provider, message] of atBoth(body)) t.equal(message?.truncated, false, provider)
  }
  const padded = `Sale ${'\u034f \u200c'.repeat(80)}`
  t.match(gmail(padded), { snippet: 'Sale', isPart: true }, 'a padded preview is cut behind its padding')
})

t.test('texts of incoming mail are cleaned, at both providers', async t => {
  const subject = '=?UTF-8?Q?Free=00_next=1B[31m_week=07?='
  const name = '=?UTF-8?Q?B=00o?='
  const one = gmail('noon \ud83d', ['Subject', subject], ['From', `${name} <bo@example.com>`])
  t.match(one, { snippet: 'noon', subject: 'Free next[31m week', from: [{ name: 'Bo', address: 'bo@example.com' }] })
  const from = { emailAddress: { name: 'B\u0000o\udc00', address: 'bo@example.com\u0007' } }
  const other = outlook({
    bodyPreview: 'noon \ud83d',
    subject: 'Free\u0000 next\u009b week',
    from,
    categories: ['a\ud83d'],
  })
  t.match(other, { snippet: 'noon', subject: 'Free next week', from: [{ name: 'Bo', address: 'bo@example.com' }] })
  for (const message of [one, other]) {
    for (const text of textsIn(message)) t.notMatch(text, UNFIT)
    for (const text of textsIn(taskOf(message))) t.notMatch(text, UNFIT)
  }
})

const folder = new URL('../../../../../shared/reports/', import.meta.url)
const withoutReports = existsSync(folder) ? {} : { skip: 'there are no reports beside the project' }

t.test('lone surrogates and NUL characters are handled', withoutReports, async t => {
  const report = JSON.parse(readFileSync(new URL('surrogate.json', folder), 'utf8'))
  const preview = taskOf(readOutlook(report.graph)?.message)
  t.equal(preview.messages[0]?.text, report.expected_text)
  const snippet = `${'a'.repeat(185)}\u{1F600}${'b'.repeat(50)}`
  const tokens = report.gmail.TASK_TOKENS
  t.match(taskOf(gmail(snippet, ['Subject', 'Lunch']), { ...options, tokens }).messages, [
    { text: 'a'.repeat(185), truncated: true },
  ])
  const nul = parseMime(readFileSync(new URL('nul-subject.eml', folder), 'latin1'))
  const headers = nul.headers.map(({ name, value }): [string, string] => [name, value])
  t.equal(taskOf(gmail('Fine with me.', ...headers)).subject, 'Availability next week')
})

function taskOf(message: Message | undefined, of = options): Task {
  const thread = { mailbox: 'gmail:ana@example.com', thread: 't', version: 'v', reason: 'new' } as const
  return buildTask(thread, message ? [message] : [], of)
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : []
}
