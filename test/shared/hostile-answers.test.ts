import t from 'tap'
import { MailError } from '../../shared/error.ts'
import { matchParts, parseBatch } from '../../shared/gmail/batch.ts'
import { errorOf, isSearchRefused, refusalOf } from '../../shared/gmail/errors.ts'
import { readNotification } from '../../shared/gmail/notification.ts'
import { waitIn } from '../../shared/http/retry-after.ts'
import { parseMailboxId } from '../../shared/mailbox.ts'
import { errorOf as graphErrorOf, spentOn } from '../../shared/outlook/errors.ts'
import { loginError } from '../../shared/outlook/login-errors.ts'

const CHARACTERS = 200_000
// Linear work takes a twentieth of this; each case once took seconds. CPU time does not depend on the machine's load.
const MAX_CPU_MS = 400

const part = (head: string, inner: string) => `--b\r\n${head}\r\n\r\nHTTP/1.1 200 OK\r\n${inner}\r\n\r\n{}\r\n--b--\r\n`
const message = (text: string) => ({ error: { code: 403, message: text, status: 'PERMISSION_DENIED' } })

const READERS: Readonly<Record<string, (text: string) => unknown>> = {
  'a Retry-After header': text => waitIn(text, 0),
  'a Retry-After header with something before': text => waitIn(`1${text}x`, 0),
  'a mailbox id': text => refused(() => parseMailboxId(`gmail:${text} x`)),
  'a notification': text => refused(() => readNotification({ emailAddress: `${text} x`, historyId: `${text}x` })),
  "a batch answer's headers": text => matchParts(['m0'], parseBatch('multipart/mixed; boundary=b', part(text, text))),
  "a batch answer's header value": text =>
    parseBatch('multipart/mixed; boundary=b', part(`a: x${text}y`, `b: x${text}y`)),
  "a batch answer's boundary": text => parseBatch(`multipart/mixed;${text}; boundary="${text}`, `--${text}\n${text}`),
  "Google's message": text => {
    const answer = { status: 403, body: message(text), retryAfter: text }
    return [errorOf(answer, 'a test'), refusalOf(answer), isSearchRefused(answer)]
  },
  "Google's codes": text => errorOf({ status: 400, body: { error: text } }, 'a test'),
  "Graph's message and code": text => {
    const answer = {
      status: 400,
      body: { error: { code: text, message: text, innerError: { code: text } } },
      retryAfter: text,
    }
    return [graphErrorOf(answer, 'a test'), spentOn([answer], () => 0)]
  },
  "Microsoft's sign-in": text =>
    loginError({ status: 400, body: { error: text, error_description: text }, retryAfter: text }, 'a test'),
}

const PUMPS = [
  '1',
  '1.',
  ' ',
  '\t',
  '@',
  'a@',
  ':',
  'a: ',
  '\n',
  'a\n',
  ' a\n',
  '.',
  '.,',
  'user ',
  'retry after Abc, ',
  'retry after ',
  'metadata scope ',
  'AADSTS',
  '_',
  '"\\',
  '; boundary="',
]

for (const [what, read] of Object.entries(READERS)) {
  t.test(`parsing is fast: ${what} of ${CHARACTERS} characters`, async t => {
    for (const pump of PUMPS) {
      const text = pump.repeat(CHARACTERS / pump.length)
      const before = process.cpuUsage()
      read(text)
      const { user } = process.cpuUsage(before)
      t.ok(user / 1000 < MAX_CPU_MS, `${JSON.stringify(pump)} took ${Math.round(user / 1000)} ms`)
    }
  })
}

t.test('ordinary texts are still read correctly', async t => {
  const now = Date.parse('2026-10-01T00:00:00Z')
  for (const [text, wait] of [
    ['2', 2000],
    ['2.128', 2128],
    ['.5s', 500],
    ['3, 7', 7000],
    ['Thu, 01 Oct 2026 00:00:05 GMT', 5000],
    ['2026-10-01T00:00:05Z', 5000],
    ['soon', undefined],
    ['9'.repeat(501), undefined],
  ] as const) {
    t.equal(waitIn(text, now), wait, text.slice(0, 40))
  }
  const reported = (text: string) =>
    errorOf({ status: 429, body: message(text) }, 'a test', { now: () => now }).retryAfterMs
  t.equal(reported('Do not retry after: a while. Retry after 2026-10-01T00:00:09Z.'), 9000)
  t.equal(reported('User-rate limit exceeded.  Retry after 2026-10-01T00:00:09.000Z (Mail sending)'), 9000)
  t.equal(reported('Retry after 4 seconds,'), 4000)
  const refusal = (text: string) => errorOf({ status: 403, body: message(text) }, 'a test').message
  t.match(refusal('The account of this user was suspended.'), /suspended or deleted/)
  t.notMatch(refusal('It was suspended: the account'), /suspended or deleted/)
  const [first] = parseBatch('multipart/mixed; boundary=b', part('Content-ID : <response-m0>', 'Retry-After:  7  '))
  t.match(
    { ...first, headers: Object.fromEntries(first?.headers ?? []) },
    { contentId: 'm0', headers: { 'retry-after': '7' } },
  )
})

function refused(read: () => unknown): void {
  try {
    read()
  } catch (thrown) {
    if (!(thrown instanceof MailError) || thrown.message.length > 1000) throw new Error('the message holds the text')
  }
}
