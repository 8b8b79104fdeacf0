import t from 'tap'
import { apiError, failure, openCall } from './google.ts'
import { openGmail } from './open.ts'

const TOPIC = 'projects/project/topics/gmail'

t.test('a watch names the topic and returns its expiry', async t => {
  const answer = { historyId: '1234', expiration: '1790604800000' }
  const { mailbox, google } = await openGmail(t, () => ({ body: answer }), { notify: { topic: TOPIC, labels: [] } })
  const call = openCall()
  t.same(await mailbox.watch(call), { expiresAt: 1790604800000 })
  t.same(call.metered, [['watch', 100]])
  t.match(google.asked, [{ method: 'POST', path: '/gmail/v1/users/me/watch' }])
  t.same(JSON.parse(google.asked[0]?.body ?? ''), { topicName: TOPIC })
})

t.test('configured labels are sent as a filter', async t => {
  const notify = { topic: TOPIC, labels: ['INBOX', 'Label_1'] }
  const { mailbox, google } = await openGmail(t, () => ({ body: { expiration: 1790604800000 } }), { notify })
  t.same(await mailbox.watch(openCall()), { expiresAt: 1790604800000 })
  t.same(JSON.parse(google.asked[0]?.body ?? ''), {
    topicName: TOPIC,
    labelIds: ['INBOX', 'Label_1'],
    labelFilterBehavior: 'INCLUDE',
  })
})

t.test('a watch can be stopped', async t => {
  const { mailbox, google } = await openGmail(t, () => ({ status: 204 }))
  const call = openCall()
  await mailbox.stop(call)
  t.same(call.metered, [['watch', 50]])
  t.match(google.asked, [{ method: 'POST', path: '/gmail/v1/users/me/stop' }])
})

t.test('without a topic nothing is sent, and the error names the setting', async t => {
  const { mailbox, google } = await openGmail(t, () => ({}))
  const error = await failure(mailbox.watch(openCall()))
  t.match(error, { kind: 'misconfigured', message: /set GMAIL_PUBSUB_TOPIC/ })
  t.same(google.asked, [])
})

t.test('a failed watch names the cause and the remedy', async t => {
  const only = 'Only one user push notification client allowed per developer (call /stop then try again)'
  const cases: [words: string, labels: string[], says: RegExp, not: RegExp][] = [
    [
      only,
      [],
      /watches the mailbox for another topic.*`mailsluice unwatch gmail:ana@example\.com` and then `mailsluice watch gmail:ana@example\.com`/,
      /gmail-api-push|Only one/,
    ],
    [only, ['INBOX'], /or set GMAIL_PUBSUB_TOPIC to that topic$/, /GMAIL_WATCH_LABELS/],
    [
      'Invalid label: Cleints',
      ['Cleints', 'INBOX'],
      /GMAIL_WATCH_LABELS takes ids of labels.* but is Cleints,INBOX$/,
      /gmail-api-push/,
    ],
    [
      'Invalid topicName does not match projects/x/topics/*',
      ['INBOX'],
      /GMAIL_PUBSUB_TOPIC must be in the Cloud project/,
      /GMAIL_WATCH_LABELS/,
    ],
    ['Error sending test message to Cloud PubSub : User not authorized', [], /gmail-api-push@system/, /unwatch/],
  ]
  for (const [words, labels, says, not] of cases) {
    for (const [status, reason] of [
      [400, 'invalidArgument'],
      [400, 'failedPrecondition'],
      [403, 'forbidden'],
    ] as const) {
      const answer = { status, body: apiError(status, reason, words) }
      const { mailbox } = await openGmail(t, () => answer, { notify: { topic: TOPIC, labels } })
      const error = await failure(mailbox.watch(openCall()))
      t.match(error, { kind: 'misconfigured', message: says }, `${status} ${reason} ${words}`)
      t.notMatch(error?.message, not)
    }
  }
})

t.test('topic errors carry a remedy; other errors are as for any call', async t => {
  const notify = { topic: TOPIC, labels: [] }
  const cases = [
    [400, 'invalidArgument', 'misconfigured', /Cloud project of GMAIL_CLIENT_ID.*gmail-api-push@system/],
    [403, 'forbidden', 'misconfigured', /gmail-api-push@system/],
    [403, 'rateLimitExceeded', 'throttled', /rateLimitExceeded/],
    [401, 'authError', 'unauthorized', /connect the mailbox again/],
    [500, 'backendError', 'unavailable', /500/],
  ] as const
  for (const [status, reason, kind, says] of cases) {
    const { mailbox } = await openGmail(t, () => ({ status, body: apiError(status, reason) }), { notify })
    t.match(await failure(mailbox.watch(openCall())), { kind, message: says })
    if (kind !== 'misconfigured') t.match(await failure(mailbox.stop(openCall())), { kind, message: says })
  }
  const { mailbox } = await openGmail(t, () => ({ body: { historyId: '1' } }), { notify })
  t.match(await failure(mailbox.watch(openCall())), { kind: 'unparsable', message: /contains no expiry/ })
})
