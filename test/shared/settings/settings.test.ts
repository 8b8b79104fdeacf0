import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { misspeltSettings, readConfig } from '../../../shared/config.ts'
import { trimmed } from '../../../shared/settings/text.ts'

const LISTS = ['GMAIL_LABELS', 'SKIP_LABELS', 'GMAIL_WATCH_LABELS', 'OUTLOOK_MAILBOXES']
const NAMES = readFileSync(new URL('../../../../.env.example', import.meta.url), 'utf8').matchAll(/^# ([A-Z_]{4,})=/gm)
const SETTINGS = [...NAMES].map(([, name = '']) => name)

t.test('a blank setting counts as unset', async t => {
  t.ok(SETTINGS.length > 50, 'the example names them')
  for (const name of SETTINGS) {
    for (const blank of ['', ' ', '\t', '\r', '\r\n', '\u00a0', '\ufeff', '\u200b ']) {
      t.same(readConfig({ [name]: blank }), readConfig({}), `${name} is ${JSON.stringify(blank)}`)
    }
  }
})

t.test('white space around a value is ignored, for every setting', async t => {
  const values: Record<string, string> = {
    REDIS_URL: 'redis://127.0.0.1:6379',
    INITIAL_SYNC: 'all',
    PORT: '8080',
    SAFETY_POLL_MINUTES: '0',
    WARM_SHARE: '0.25',
    GMAIL_CLIENT_SECRET: 'GOCSPX-x',
    GMAIL_QUERY: 'subject:"deck joints"',
    SKIP_LABELS: 'SPAM,Old mail',
    OUTLOOK_MAILBOXES: 'ana@example.com,bo@example.com',
    OUTLOOK_NOTIFICATION_URL: 'https://mail.example.com',
    LOG_LEVEL: 'warn',
    MAILBOXES_KEY: `v2:${'A'.repeat(43)}=`,
    AI_MODEL: 'one model',
  }
  for (const [name, value] of Object.entries(values)) {
    const plain = readConfig({ [name]: value })
    for (const [before, after] of [
      ['', '\r'],
      ['  ', ' '],
      ['\ufeff', '\n'],
      ['\t', '\u00a0\u200b'],
    ] as const)
      t.same(readConfig({ [name]: `${before}${value}${after}` }), plain, name)
  }
})

t.test('quotes, comments, names and unexpanded variables are refused', async t => {
  const marks: [mark: (name: string) => string, says: RegExp][] = [
    [() => '"8080"', /without (quotes|backslashes)/],
    [() => "'8080'", /without quotes/],
    [() => '“8080”', /without quotes/],
    [() => '8080 # every one', /without the comment behind it/],
    [() => '8080 #', /without the comment/],
    [name => `${name}=8080`, /only what follows/],
    [() => `$\{VALUE}`, /a variable with \$ and braces is not replaced/],
    [() => `$\{{Redis.VALUE}}`, /a variable/],
    [() => '80\u200b80', /invisible character \\u200b/],
    [() => '80\u000080', /invisible character \\u0000/],
  ]
  for (const name of SETTINGS.filter(one => one !== 'REDIS_TLS_CA')) {
    for (const [mark, says] of marks) {
      const value = mark(name)
      const [fault = ''] = faultsOf({ [name]: value })
      t.ok(
        fault.startsWith(`${name}: `) && / is not allowed; use /.test(fault) && says.test(fault),
        `${name}: ${value} (${fault})`,
      )
    }
  }
})

t.test('quotes at one end or inside a list are refused too', async t => {
  t.match(faultsOf({ SKIP_LABELS: '"SPAM,TRASH' }), [
    /^SKIP_LABELS: "\\?"?SPAM,TRASH" is not allowed; use the value without quotes/,
  ])
  for (const name of LISTS) t.match(faultsOf({ [name]: 'a@b.example, "c@d.example"' }), [/without quotes/], name)
  t.match(faultsOf({ GMAIL_CLIENT_SECRET: '"hunter2"' }), [
    /^GMAIL_CLIENT_SECRET: its value is not allowed; use the value without quotes/,
  ])
})

t.test('a search may contain balanced quotes', async t => {
  const search = (text: string) => readConfig({ GMAIL_QUERY: text }).GMAIL_QUERY
  for (const text of [
    'subject:"deck joints"',
    '"deck joints" OR "beams"',
    '("deck joints")',
    "from:o'neil@example.com",
  ])
    t.equal(search(text), text)
  for (const text of [
    '"newer_than:1y"',
    "'newer_than:1y'",
    '"subject:\\"deck\\""',
    '"newer_than:1y',
    'subject:\\"deck\\"',
  ])
    t.match(faultsOf({ GMAIL_QUERY: text }), [/^GMAIL_QUERY: /], text)
})

t.test('lists accept only commas as separators', async t => {
  for (const name of LISTS)
    for (const mark of [';', '；', '，', '、', '\n'])
      t.match(
        faultsOf({ [name]: `ana@example.com${mark}bo@example.com` }),
        [new RegExp(`^${name}: .*commas between`)],
        `${name} ${mark}`,
      )
  t.match(faultsOf({ SKIP_LABELS: 'SPAM TRASH DRAFT' }), [/use commas between the words/])
  t.match(faultsOf({ SKIP_LABELS: ' , ' }), [/at least one word beside the commas, or "none"/])
  t.match(faultsOf({ SKIP_LABELS: 'none,SPAM' }), [/"none" alone/])
  t.same(readConfig({ SKIP_LABELS: 'None' }).SKIP_LABELS, [])
  t.same(readConfig({ SKIP_LABELS: 'SPAM,\n  TRASH,' }).SKIP_LABELS, ['SPAM', 'TRASH'], 'as YAML folds it')
  t.same(readConfig({ GMAIL_LABELS: "Bo's Clients,Spam reports" }).GMAIL_LABELS, ["Bo's Clients", 'Spam reports'])
})

t.test('numbers are decimal digits in no other notation', async t => {
  for (const text of ['1e3', '0x10', '1.000', '1,000', '1_000', '30m', '+5', '-5', '10 000', 'NaN', '٣'])
    t.match(faultsOf({ STREAM_RETENTION: text }), [/^STREAM_RETENTION: .* is not allowed; use a whole number/], text)
  for (const text of ['50%', '0,5', '1e-1', '.'])
    t.match(faultsOf({ GMAIL_QUOTA_SHARE: text }), [/^GMAIL_QUOTA_SHARE: .* use a number from 0.05 to 1/], text)
  t.equal(readConfig({ GMAIL_QUOTA_SHARE: '.5' }).GMAIL_QUOTA_SHARE, 0.5)
  t.equal(readConfig({ PORT: '0' }).PORT, 0, 'a written zero stays zero')
})

t.test('fixed words are accepted in any case', async t => {
  t.match(readConfig({ INITIAL_SYNC: 'ALL', LOG_LEVEL: 'Warn', GMAIL_QUOTA: 'Legacy', NODE_ENV: 'Production' }), {
    INITIAL_SYNC: { kind: 'all' },
    LOG_LEVEL: 'warn',
    GMAIL_QUOTA: 'legacy',
    NODE_ENV: 'production',
  })
  t.equal(readConfig({ REDIS_TLS_INSECURE: 'Yes' }).REDIS_TLS_INSECURE, true)
  t.match(faultsOf({ REDIS_TLS_INSECURE: 'perhaps' }), [/use 1 or 0/])
})

t.test('a Redis address names a server and a database only', async t => {
  for (const url of ['redis://h', 'redis://h/', 'redis://u:p%23@h:6379/15', 'rediss://h:6380?family=0'])
    t.equal(readConfig({ REDIS_URL: url }).REDIS_URL, url)
  for (const url of [
    ...[
      'redis://h/abc',
      'redis://h/1/2',
      'redis://h/-1',
      'redis://h/1.5',
      'redis://user:pa/ss@h:6379',
      'redis://:pa#ss@h',
    ],
    ...[
      'redis://u:12?x@h',
      'redis://h/0#1',
      'redis://h?maxRetriesPerRequest=20',
      'redis:///0',
      'redis:h',
      '127.0.0.1:6379',
    ],
  ]) {
    const [fault = ''] = faultsOf({ REDIS_URL: url })
    t.match(fault, /^REDIS_URL: its value is not allowed; use /, url)
    t.notMatch(fault, 'pa/ss')
  }
})

t.test('refused values are shown escaped and cut', async t => {
  t.match(faultsOf({ INITIAL_SYNC: 'a\rll' }), [
    'INITIAL_SYNC: "a\\rll" is not allowed; use the value without the invisible character \\r',
  ])
  t.match(faultsOf({ INITIAL_SYNC: 'a\u202ell' }), [/"a\\u202ell"/])
  t.ok((faultsOf({ INITIAL_SYNC: 'x'.repeat(100_000) })[0] ?? '').length < 500)
  const began = performance.now()
  trimmed(`x${' '.repeat(1_000_000)}x`)
  t.ok(performance.now() - began < 500)
})

t.test('ambiguous addresses, hosts and folders are refused', async t => {
  t.equal(readConfig({ SIM_URL: 'http://127.0.0.1:8025/' }).SIM_URL, 'http://127.0.0.1:8025')
  for (const [name, value] of Object.entries({
    SIM_URL: 'http://127.0.0.1:8025/gmail',
    GATEWAY_HOST: 'http://0.0.0.0',
    DATA_DIR: '~/mail',
    OUTLOOK_MAILBOXES: 'ana@example.com bo@example.com',
    GMAIL_CLIENT_ID: 'x.apps.googleusercontent.com GOCSPX-x',
  }))
    t.match(faultsOf({ [name]: value }), [new RegExp(`^${name}: `)])
})

t.test('a misspelt setting is reported with the probable one', async t => {
  const meant = (name: string) => misspeltSettings({ [name]: '5' })
  for (const [name, setting] of Object.entries({
    GMAIL_BATCHSIZE: 'GMAIL_BATCH_SIZE',
    gmail_labels: 'GMAIL_LABELS',
    GMAIL_LABLES: 'GMAIL_LABELS',
    SKIP_LABEL: 'SKIP_LABELS',
    REDIS_URI: 'REDIS_URL',
    RATE_LIMIT_BACKOF_FACTOR: 'RATE_LIMIT_BACKOFF_FACTOR',
    'OUTLOOK-MAILBOXES': 'OUTLOOK_MAILBOXES',
    MAILBOX_KEY: 'MAILBOXES_KEY',
  }))
    t.same(meant(name), [{ name, meant: setting }], name)
  t.same(meant('OUTLOOK_FOLDERS'), [{ name: 'OUTLOOK_FOLDERS' }], 'only our settings have such names')
  for (const name of [
    'https_proxy',
    'http_proxy',
    'all_proxy',
    'no_proxy',
    'PATH',
    'HOME',
    'PWD',
    'SHLVL',
    'POST',
    'REDIS_TLS_URL',
    'REDIS_PORT',
    'NODE_OPTIONS',
    'LANG',
    'TERM',
    'DATABASE_URL',
    'GATEWAY_PORT_8080_TCP',
  ])
    t.same(meant(name), [], name)
  t.same(misspeltSettings(Object.fromEntries(SETTINGS.map(name => [name, '5']))), [])
})

const REPORT = new URL('../../../../../shared/reports/settings.tsv', import.meta.url)
const isThere = existsSync(fileURLToPath(REPORT))
t.test(
  'reported misreadings are refused or read correctly',
  { skip: isThere ? false : 'the reports are not here' },
  async t => {
    const rows = readFileSync(REPORT, 'utf8').trim().split('\n').slice(1)
    t.ok(rows.length >= 10)
    t.same(readConfig({ SAFETY_POLL_MINUTES: ' ', PORT: ' ' }), readConfig({}))
    t.match(readConfig({ INITIAL_SYNC: 'all\r', REDIS_URL: ' redis://127.0.0.1:6379' }), {
      INITIAL_SYNC: { kind: 'all' },
      REDIS_URL: 'redis://127.0.0.1:6379',
    })
    for (const [name, value] of Object.entries({
      SKIP_LABELS: '"SPAM,TRASH,DRAFT"',
      GMAIL_LABELS: '"INBOX"',
      OUTLOOK_MAILBOXES: 'ana@example.com;bo@example.com',
      REDIS_URL: 'redis://127.0.0.1:6379/abc',
    }))
      t.equal(faultsOf({ [name]: value }).length, 1, name)
  },
)

function faultsOf(environment: Record<string, string>): string[] {
  try {
    readConfig(environment)
    return []
  } catch (error) {
    return (error as Error).message.split(/\. (?=[A-Z_]+: )/)
  }
}
