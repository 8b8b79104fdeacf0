import t from 'tap'
import { type Alert, alertsOf, type RunFigures, readAlerts } from '../../shared/alerts.ts'

const FATES = { cached: 0, fetched: 0, gone: 0, filtered: 0, dead: 0, deferred: 0 }
const CALLS = { list: 0, batch: 0, single: 0, thread: 0, attachment: 0, history: 0, delta: 0, profile: 0, watch: 0 }

type Given = Partial<Omit<RunFigures, 'fates' | 'calls'>> & {
  seconds?: number
  fates?: Partial<RunFigures['fates']>
  calls?: Partial<RunFigures['calls']>
}

const calm: [string, Given][] = [
  ['a run that found nothing', { seconds: 0.2 }],
  ['a mail in just 30 s', { listed: 1, seconds: 30 }],
  ['a hundred mails in 30 s', { listed: 100, seconds: 30, calls: { list: 1, batch: 5 } }],
  ['a thousand mails in 5 minutes, 0.3 s each and 30 s more', { listed: 1000, seconds: 299.9 + 0.1 }],
  ['a run whose rate limits took two minutes', { listed: 60, seconds: 140, waitedMs: 120_000 }],
  ['forty-nine mails by single calls', { listed: 49, calls: { list: 1, single: 49 } }],
  [
    'an extra call for each window but one',
    { listed: 600, seconds: 180, pages: 3, windows: 3, calls: { list: 3, batch: 32 } },
  ],
  [
    'all folders of an Outlook mailbox',
    {
      mailbox: 'outlook:bo@example.com',
      listed: 50,
      seconds: 20,
      fates: { cached: 50 },
      calls: { list: 2, delta: 30 },
    },
  ],
  ['new mail, which no cache can hold', { listed: 90, seconds: 28, fates: { fetched: 90 } }],
  ['forty-nine known messages lost', { reread: 49, lost: 49 }],
  ['seven tenths of what was known at hand', { reread: 50, lost: 15 }],
  ['one of twenty parts failed', { asked: 20, failed: 1 }],
]

const reported: [string, Given, Partial<Alert>][] = [
  [
    'more than 30 s',
    { seconds: 30.1 },
    { alert: 'slow', level: 'warning', text: '0 messages in 30.1s, excluding rate limits; 30.0s' },
  ],
  ['more than 60 s', { listed: 100, seconds: 60.1 }, { alert: 'slow', level: 'error', text: '100 messages in 60.1s' }],
  ['just 60 s', { seconds: 60 }, { alert: 'slow', level: 'warning' }],
  [
    'a long run, beyond 0.3 s a message more',
    { listed: 200, seconds: 60.1 },
    { alert: 'slow', level: 'warning', text: '60.0s is the limit' },
  ],
  [
    'a long run, far beyond',
    { listed: 200, seconds: 90.1 },
    { alert: 'slow', level: 'error', text: '90.0s is the limit' },
  ],
  [
    'slow beside its rate limits',
    { seconds: 151, waitedMs: 120_000 },
    { alert: 'slow', level: 'warning', figures: { seconds: 31, waitedSeconds: 120 } },
  ],
  [
    'fifty mails in 15 s',
    { listed: 50, seconds: 15, calls: { list: 1, batch: 3 } },
    { alert: 'fast', level: 'mark', text: '50 messages in 15.0s' },
  ],
  [
    'a call above the plan',
    { listed: 50, seconds: 20, calls: { list: 1, batch: 4 } },
    { alert: 'many-calls', level: 'warning', text: '5 instead of 4 (1 pages, 50 messages to fetch by 20)' },
  ],
  ['a page asked for twice', { listed: 50, seconds: 20, calls: { history: 2, batch: 3 } }, { alert: 'many-calls' }],
  [
    'cached messages are not planned',
    { listed: 50, seconds: 20, fates: { cached: 35, fetched: 15 }, calls: { list: 1, batch: 2 } },
    { alert: 'many-calls', figures: { made: 3, planned: 2, missing: 15 } },
  ],
  [
    'fetches of an Outlook mailbox',
    {
      mailbox: 'outlook:bo@example.com',
      listed: 50,
      seconds: 20,
      fates: { cached: 50 },
      calls: { delta: 3, batch: 1 },
    },
    { alert: 'many-calls' },
  ],
  [
    'less than seven tenths still cached',
    { reread: 50, lost: 16 },
    { alert: 'cold-cache', level: 'warning', text: '34 of 50 previously cached messages are still cached (68 %)' },
  ],
  [
    'less than half still cached',
    { reread: 50, lost: 26 },
    { alert: 'cold-cache', level: 'warning', text: 'raise CACHE_MESSAGE_TTL, or keep busy threads warm' },
  ],
  [
    'more than one of twenty parts failed',
    { asked: 19, failed: 1 },
    { alert: 'failed-parts', level: 'warning', text: '1 of 19 requested messages failed (5 %)' },
  ],
]

t.test('a normal run raises no alert', t => {
  for (const [name, given] of calm) {
    const alerts = alertsOf(figures(given), { batchSize: 20 }).filter(({ level }) => level !== 'mark')
    t.same(alerts, [], name)
  }
  t.end()
})

t.test('each alert comes alone, with its numbers', t => {
  for (const [name, given, { text = '', ...rest }] of reported) {
    const [alert, ...more] = alertsOf(figures(given), { batchSize: 20 })
    t.match(alert, rest, name)
    t.ok(alert?.text.includes(text), `${name}: ${alert?.text}`)
    t.same(more, [], `${name}: nothing else`)
  }
  t.end()
})

t.test('the cold-cache remedy is named only below half', t => {
  const [mild] = alertsOf(figures({ reread: 100, lost: 50 }), { batchSize: 20 })
  t.notMatch(mild?.text, /CACHE_MESSAGE_TTL/)
  t.end()
})

t.test('the batch size comes from the settings', t => {
  const run = figures({ listed: 50, seconds: 20, calls: { list: 1, batch: 5 } })
  t.same(alertsOf(run, { batchSize: 10 }), [])
  t.match(alertsOf(run, { batchSize: 20 }), [{ alert: 'many-calls' }])
  t.end()
})

t.test('stored alerts are read back; unreadable ones are none', t => {
  const alerts = alertsOf(figures({ seconds: 70 }), { batchSize: 20 })
  t.same(readAlerts(JSON.stringify(alerts)), alerts)
  for (const text of [undefined, '', 'x', '{}', '[{"alert":"unheard of"}]']) t.same(readAlerts(text), [])
  t.end()
})

/** The numbers of a run that meets its plan and is neither fast nor slow, with the given changes. */
function figures({ seconds = 29, fates, calls, listed = 0, ...rest }: Given): RunFigures {
  return {
    mailbox: 'gmail:ana@example.com',
    startedAt: 1000,
    endedAt: 1000 + seconds * 1000,
    waitedMs: 0,
    listed,
    fates: { ...FATES, fetched: listed, ...fates },
    context: 0,
    reread: 0,
    lost: 0,
    pages: 1,
    windows: 1,
    asked: 0,
    failed: 0,
    calls: { ...CALLS, ...calls },
    ...rest,
  }
}
