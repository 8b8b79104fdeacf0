import t from 'tap'
import { readConfig } from '../../shared/config.ts'

t.test('without settings the defaults apply', async t => {
  t.match(readConfig({}), {
    GMAIL_BATCH_SIZE: 20,
    GMAIL_MAX_CONCURRENT_BATCHES: 3,
    CACHE_MESSAGE_TTL: 3600,
    INITIAL_SYNC: { kind: 'newest', count: 100 },
    REDIS_PREFIX: 'mailsluice',
  })
  t.match(readConfig({ GMAIL_BATCH_SIZE: '' }), { GMAIL_BATCH_SIZE: 20 }, 'an empty variable counts as not set')
})

t.test('FETCH_BATCH_SIZE and FETCH_CONCURRENCY hold for each provider that has no setting of its own', async t => {
  const settings = { FETCH_BATCH_SIZE: '40', FETCH_CONCURRENCY: '5' }
  t.match(readConfig(settings), {
    GMAIL_BATCH_SIZE: 40,
    GMAIL_MAX_CONCURRENT_BATCHES: 5,
    OUTLOOK_BATCH_SIZE: 20,
    OUTLOOK_MAX_CONCURRENT_BATCHES: 5,
  })
  t.match(readConfig({ ...settings, GMAIL_BATCH_SIZE: '30', OUTLOOK_MAX_CONCURRENT_BATCHES: '1' }), {
    GMAIL_BATCH_SIZE: 30,
    GMAIL_MAX_CONCURRENT_BATCHES: 5,
    OUTLOOK_BATCH_SIZE: 20,
    OUTLOOK_MAX_CONCURRENT_BATCHES: 1,
  })
  t.throws(() => readConfig({ OUTLOOK_BATCH_SIZE: '21' }), /OUTLOOK_BATCH_SIZE: "21" is not allowed/)
})

t.test('INITIAL_SYNC takes a number, days, or all', async t => {
  t.same(readConfig({ INITIAL_SYNC: 'all' }).INITIAL_SYNC, { kind: 'all' })
  t.same(readConfig({ INITIAL_SYNC: '30d' }).INITIAL_SYNC, { kind: 'days', days: 30 })
  t.same(readConfig({ INITIAL_SYNC: '5000' }).INITIAL_SYNC, { kind: 'newest', count: 5000 })
})

t.test('a wrong value is named with the allowed ones', async t => {
  t.throws(
    () => readConfig({ GMAIL_BATCH_SIZE: '500' }),
    /GMAIL_BATCH_SIZE: "500" is not allowed; use a whole number from 1 to 100/,
  )
  t.throws(
    () => readConfig({ GMAIL_BATCH_SIZE: 'many' }),
    /GMAIL_BATCH_SIZE: "many" is not allowed; use a whole number from 1 to 100/,
  )
  t.throws(
    () => readConfig({ INITIAL_SYNC: 'some' }),
    /INITIAL_SYNC: "some" is not allowed; use a number of newest messages/,
  )
  t.throws(() => readConfig({ GMAIL_QUOTA: '2020' }), /GMAIL_QUOTA: "2020" is not allowed; use one of 2026, legacy/)
  t.throws(() => readConfig({ LOG_LEVEL: 'loud' }), /LOG_LEVEL/)
  t.throws(() => readConfig({ PARTITIONS: '0', LEASE_MS: '1' }), /PARTITIONS.*LEASE_MS/, 'all of them at once')
})

t.test('errors never repeat an address with a password', async t => {
  try {
    readConfig({ REDIS_URL: 'http://user:hunter2@example.com' })
    t.fail('it was accepted')
  } catch (error) {
    t.match(
      String(error),
      /REDIS_URL: its value is not allowed; use an address that begins with redis:\/\/ or rediss:\/\//,
    )
    t.notMatch(String(error), /hunter2/)
  }
})

t.test('label names are pairs, each label once', async t => {
  const read = (text: string) => readConfig({ TAKEOUT_LABELS: text }).TAKEOUT_LABELS
  t.same(read(' SPAM=Roskaposti, TRASH = Roskakori|Roskat ,DRAFT=,'), {
    SPAM: 'Roskaposti',
    TRASH: 'Roskakori|Roskat',
    DRAFT: '',
  })
  t.same(readConfig({}).TAKEOUT_LABELS, {})
  for (const wrong of [
    'SPAM',
    'SPAM=a,SPAM=b',
    'spam=a',
    'MINE=a',
    'SPAM=a=b',
    'SPAM=a;TRASH=b=c',
    '=a',
    'constructor=a',
  ])
    t.throws(() => read(wrong), /TAKEOUT_LABELS: .* is not allowed; use names of Gmail's labels/, wrong)
})

t.test('AI_SINCE is a day that exists, or a number of days', t => {
  t.same(readConfig({ AI_SINCE: '2026-02-28' }).AI_SINCE, { at: Date.UTC(2026, 1, 28) })
  t.same(readConfig({ AI_SINCE: '2024-02-29T10:00:00Z' }).AI_SINCE, { at: Date.UTC(2024, 1, 29, 10) })
  t.same(readConfig({ AI_SINCE: '30d' }).AI_SINCE, { days: 30 })
  for (const AI_SINCE of ['2026-02-30', '2026-02-29', '2026-04-31T10:00:00Z', '2026-13-01', '0d'])
    t.throws(() => readConfig({ AI_SINCE }), /AI_SINCE/, AI_SINCE)
  t.end()
})
