import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { testMail } from '../support/mail.ts'
import { inTurn, lastJson, run, start } from '../support/processes.ts'
import { freePort } from '../support/redis.ts'
import { until } from '../support/until.ts'

const folder = await mkdtemp(join(tmpdir(), 'mailsluice-cli-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))
let folders = 0

t.test('the demo syncs without Redis, account or settings', async t => {
  const finished = await run(['up', '--once', '--json'], { ...fresh(), PATH: '/nowhere' })
  t.equal(finished.code, 0, finished.stderr)
  const summary = lastJson(finished)
  t.match(summary, {
    ok: true,
    mailboxes: 2,
    runs: 2,
    messages: 200,
    fates: { cached: 100, fetched: 100, gone: 0, dead: 0 },
    calls: { list: 3, delta: 2 },
    redis: /js-redis-server/,
  })
  t.equal(summary.tasks, summary.threads)
  t.match(finished.stderr, /loses its data/)
  t.match(finished.stderr, /Sync metrics - gmail: 100 messages, \d+\.\d\ds, \d+ API calls, 0 cached/)
  t.match(finished.stderr, /Cache hit: 0\/100 messages\. Need to fetch: 100/)
  t.match(finished.stderr, /Optimized Gmail sync completed for user [^ ]+@[^ ]+: 100 messages in \d+\.\ds/)
  t.match(finished.stderr, /Sync metrics - outlook: 100 messages, \d+\.\d\ds, \d+ API calls, 100 cached/)
})

t.test('a second sync costs one call and dispatches nothing', async t => {
  const environment = { ...fresh(), INITIAL_SYNC: 'all' }
  const mbox = join(folder, 'kept.mbox')
  await writeFile(mbox, mboxOf(60, 20))
  const words = ['up', '--once', '--json', '--mbox', mbox]
  t.match(lastJson(await inTurn(words, environment)), {
    ok: true,
    messages: 60,
    threads: 20,
    tasks: 20,
    calls: { list: 1, batch: 3, history: 0 },
  })
  const again = lastJson(await inTurn(words, environment))
  t.match(again, { ok: true, messages: 0, threads: 0, tasks: 0, calls: { list: 0, batch: 0, single: 0, history: 1 } })
  await writeFile(mbox, mboxOf(61, 20))
  t.match(
    lastJson(await inTurn(words, environment)),
    { messages: 1, tasks: 1, calls: { list: 0, history: 1, single: 1 } },
    'mail that was appended is new',
  )
})

t.test('up prints a table, stays up, and names the next commands', async t => {
  const environment = fresh()
  const up = start(['up'], environment)
  t.teardown(() => up.kill('SIGKILL'))
  await until(() => up.stdout().includes('Ctrl-C stops.'), 'it is up')
  t.match(up.stdout(), /200 messages became \d+ analysis tasks, with \d\d provider calls instead of 20\d/)
  t.match(up.stdout(), /gmail:ana@example.com .* 100 .*\n.*\n.*outlook:ana@example.com .* 100 /, 'side by side')
  t.match(up.stdout(), /npx mailsluice push gmail:ana@example.com/)
  const status = await run(['status'], environment)
  t.match(status.stdout, /batch-fetch[^\n]*live[^\n]*0/)
  for (const name of ['gmail:ana', 'outlook:ana']) t.match(status.stdout, RegExp(`${name}@example.com[^\\n]*in sync`))
  t.match(lastJson(await run(['push', 'gmail:ana@example.com', '--json'], environment)), {
    mailbox: 'gmail:ana@example.com',
  })
  t.match(lastJson(await run(['sync', 'gmail:ana@example.com', '--json'], environment)), { ok: true, messages: 0 })
  t.match((await run(['runs'], environment)).stdout, /first-sync|request/)
  up.kill('SIGTERM')
  t.equal((await up.exited).code, 0)
  t.match(await run(['status'], environment), {
    code: 2,
    stderr: /no mailsluice is running with its data in .*; start one with `npm start`, or set REDIS_URL/,
  })
})

t.test('every malformed mail in a folder gets a fate', async t => {
  const mails = join(folder, 'odd')
  await mkdir(mails)
  const odd: Record<string, string | Buffer> = {
    'a-empty-body.eml': 'From: a@example.com\n\n',
    'b-no-headers.eml': 'just some text, no header at all\n',
    'c-no-blank-line.eml': 'Subject: only a header',
    'd-latin1.eml': Buffer.from('From: J\xf6rg <j@example.com>\nSubject: \xe4\xf6\xfc\n\nGr\xfc\xdfe\n', 'latin1'),
    'e-nul.eml': 'Subject: nul \0 inside\nMessage-ID: <nul@example.com>\n\n\0\0\n',
    'f-bare-cr.eml': 'Subject: cr\rFrom: b@example.com\r\rbody\r',
    'g-twice.eml': 'Message-ID: <same@example.com>\nSubject: one\n\n1\n',
    'h-twice.eml': 'Message-ID: <same@example.com>\nSubject: two\n\n2\n',
    'i-loop.eml': 'Message-ID: <l1@example.com>\nReferences: <l2@example.com>\n\nx\n',
    'j-loop.eml': 'Message-ID: <l2@example.com>\nReferences: <l1@example.com>\n\nx\n',
    'k-bad-date.eml': 'Date: the day after tomorrow\nSubject: =?x-unknown?Q?=FF?=\n\nx\n',
    'l-long.eml': `Subject: ${'long '.repeat(5000)}\nTo: ${'c@example.com, '.repeat(500)}\n\nx\n`,
    'm-broken-mime.eml':
      'Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\nno end\n',
  }
  for (const [name, content] of Object.entries(odd)) await writeFile(join(mails, name), content)
  const finished = await inTurn(['up', '--once', '--json', '--mbox', mails], { ...fresh(), INITIAL_SYNC: 'all' })
  t.match(lastJson(finished), { ok: true, messages: 13, fates: { fetched: 13, dead: 0 }, threads: 11 })
})

const corpus = new URL('../../../../shared/corpus/', import.meta.url)
const withoutCorpus = existsSync(corpus) ? {} : { skip: 'there is no corpus beside the project' }

t.test('every message of a real mailing list has a fate and its thread', withoutCorpus, async t => {
  const environment = { ...fresh(), INITIAL_SYNC: 'all' }
  const words = ['up', '--once', '--json', '--mbox', new URL('mailing-list.mbox', corpus).pathname]
  const finished = await inTurn(words, environment)
  const summary = lastJson(finished)
  t.match(summary, {
    ok: true,
    messages: 2260,
    threads: 757,
    tasks: 757,
    fates: { gone: 0, filtered: 0, dead: 0 },
    calls: { list: 5 },
  })
  t.ok(Number(summary.units) <= 0.52 * 20 * 2260, `${summary.units} units, listing included`)
  t.ok(Number(summary.saved) > 0.45 * 20 * 2260, `${summary.saved} units saved`)
  t.match(lastJson(await inTurn(words, environment)), {
    ok: true,
    messages: 0,
    tasks: 0,
    calls: { list: 0, batch: 0, single: 0, history: 1 },
  })
})

t.test('every odd mail of the corpus has a fate', withoutCorpus, async t => {
  const finished = await inTurn(['up', '--once', '--json', '--mbox', new URL('odd', corpus).pathname], {
    ...fresh(),
    INITIAL_SYNC: 'all',
  })
  t.equal((await readdir(new URL('odd', corpus))).length, 196)
  t.match(lastJson(finished), { ok: true, messages: 196, fates: { gone: 0, dead: 0 } })
})

t.test('wrong use ends with code 2 and one clear line', async t => {
  const notMbox = join(folder, 'notes.txt')
  await writeFile(notMbox, 'Dear diary\n')
  const empty = join(folder, 'empty')
  await mkdir(empty)
  const cases: [words: string[], environment: Record<string, string>, says: RegExp][] = [
    [['frobnicate'], {}, /unknown command 'frobnicate'/],
    [['psh', 'gmail:a@b'], {}, /unknown command 'psh'.*push/s],
    [['up', '--twice'], {}, /unknown option '--twice'/],
    [['up', '--only', 'merge,magic'], {}, /"magic" is not a stage; use one of list-ids, cache-filter/],
    [['stage', 'magic'], {}, /"magic" is not a stage/],
    [['stage'], {}, /missing required argument 'name'/],
    [['runs', '--limit', 'all'], {}, /whole number from 1 to 1000/],
    [
      ['up', '--once'],
      { SKIP_LABELS: '"SPAM,TRASH"', PORT: '"0"' },
      /SKIP_LABELS: .*without quotes.*PORT: .*without quotes/,
    ],
    [['push', 'ana'], { REDIS_URL: 'redis://127.0.0.1:1' }, /No Redis answers|"ana" is not a mailbox/],
    [
      ['up', '--once'],
      { GMAIL_BATCH_SIZE: '1000' },
      /GMAIL_BATCH_SIZE: "1000" is not allowed; use a whole number from 1 to 100/,
    ],
    [['up', '--once', '--mbox', join(folder, 'missing.mbox')], {}, /missing\.mbox/],
    [['up', '--once', '--mbox', notMbox], {}, /notes\.txt.* is not an mbox/],
    [['up', '--once', '--mbox', empty], {}, /empty.*\.eml/],
    [
      ['up', '--once'],
      { REDIS_URL: `redis://127.0.0.1:${await freePort()}`, REDIS_WAIT: '0' },
      /No Redis answers at redis:\/\/127\.0\.0\.1:\d+ \(ECONNREFUSED\)/,
    ],
    [
      ['up', '--once'],
      { REDIS_URL: await oldRedis(t) },
      /runs redis 6\.2\.14; mailsluice needs Redis 7\.0 or Valkey 7\.2/,
    ],
    [['up', '--once'], { NODE_ENV: 'production' }, /NODE_ENV is production and no mail account is set/],
    [['stage', 'merge'], { REDIS_URL: 'redis://127.0.0.1:1' }, /no mail account is set/],
    [['up', '--once'], { SIM_URL: `http://127.0.0.1:${await freePort()}` }, /no simulator answers at/],
    [['up', '--once'], { DATA_DIR: notMbox }, /notes\.txt/],
  ]
  for (const [words, environment, says] of cases) {
    const finished = await inTurn(words, { ...fresh(), ...environment })
    const name = [...Object.entries(environment).map(pair => pair.join('=')), 'mailsluice', ...words].join(' ')
    t.equal(finished.code, 2, `${name}: exit code 2 (${finished.stderr})`)
    t.match(finished.stderr, says, name)
    t.equal(finished.stdout, '', `${name}: nothing on stdout`)
    t.notMatch(finished.stderr, /\n\s+at /, `${name}: no stack`)
  }
})

t.test('a misspelt setting causes a warning and has no effect', async t => {
  const finished = await run(['status'], { ...fresh(), GMAIL_BATCHSIZE: '5', MY_OWN: '5' })
  t.match(finished.stderr, /GMAIL_BATCHSIZE is not a setting and is ignored; did you mean GMAIL_BATCH_SIZE\?/)
  t.notMatch(finished.stderr, /MY_OWN/)
})

t.test(
  'the error names an unreadable mbox',
  { skip: process.getuid?.() === 0 ? 'root reads everything' : false },
  async t => {
    const secret = join(folder, 'secret.mbox')
    await writeFile(secret, mboxOf(1, 1))
    await chmod(secret, 0)
    t.match(await run(['up', '--once', '--mbox', secret], fresh()), { code: 2, stderr: /secret\.mbox/ })
  },
)

t.test('help lists every command', async t => {
  const help = await run(['--help'], fresh())
  t.equal(help.code, 0)
  for (const command of ['up', 'stage', 'push', 'sync', 'status', 'runs', 'sim'])
    t.match(help.stdout, new RegExp(`^  ${command}\\b`, 'm'))
})

t.test('.env.example names every setting with its default', async t => {
  const example = await readFile(new URL('../../../.env.example', import.meta.url), 'utf8')
  const config = await readFile(new URL('../../../shared/config.ts', import.meta.url), 'utf8')
  const names = [...config.matchAll(/^ {2}([A-Z_\d]+):/gm)]
    .map(([, name]) => name ?? '')
    .filter(name => name !== 'RAILWAY_REPLICA_ID')
  t.ok(names.length > 20)
  for (const name of names) t.match(example, new RegExp(`^# ${name}=`, 'm'))
})

function fresh(): Record<string, string> {
  folders += 1
  return { DATA_DIR: join(folder, `data-${folders}`) }
}

function mboxOf(count: number, threads: number): string {
  return Array.from({ length: count }, (_, index) => {
    const time = new Date(Date.UTC(2026, 8, 1, 0, index))
      .toUTCString()
      .replace(/^(\w+), (\d+) (\w+) (\d+) ([\d:]+).*/, '$1 $3 $2 $5 $4')
    return `From bo@example.com ${time}\n${testMail(index, threads).replaceAll('\r\n', '\n')}\n`
  }).join('\n')
}

/** Starts a server that identifies itself as an old Redis. */
async function oldRedis(t: { teardown: (close: () => void) => void }): Promise<string> {
  const server = createServer(socket => {
    socket.on('error', () => undefined)
    socket.on('data', data => {
      const info = '# Server\r\nredis_version:6.2.14\r\nloading:0\r\n'
      for (const command of data.toString().match(/\*\d+\r\n\$\d+\r\n\w+/g) ?? []) {
        socket.write(/info$/i.test(command) ? `$${info.length}\r\n${info}\r\n` : '+OK\r\n')
      }
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  return `redis://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
}
