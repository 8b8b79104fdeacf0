import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { listDead } from '../../shared/redis/dead.ts'
import { createKeys } from '../../shared/redis/keys.ts'
import { listRuns } from '../../shared/redis/runs.ts'
import { HOSTILE, obeyedIn } from '../support/hostile.ts'
import { type Finished, inTurn, run, start } from '../support/processes.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const MAILBOX = 'gmail:mail@mbox.example'
// Characters that a header may contain.
const WRITTEN = HOSTILE.replaceAll('\r', '')
// Characters that an argument may contain.
const ODD = HOSTILE.replaceAll('\0', '')

const folder = await mkdtemp(join(tmpdir(), 'mailsluice-printed-'))
const redis = await startRedis()
t.teardown(async () => {
  await redis.stop()
  await rm(folder, { recursive: true, force: true })
})
// Nobody answers at this port.
const OPENAI_BASE_URL = 'http://127.0.0.1:9/v1'
const environment = { OPENAI_BASE_URL, REDIS_URL: redis.url, DATA_DIR: join(folder, 'data'), INITIAL_SYNC: 'all' }
const keys = createKeys('mailsluice', 8)

/** Arguments of every command that prints foreign text: of a mail, a provider's answer, or a stream. */
async function walked(): Promise<string[][]> {
  const dead = await listDead(redis.client, keys, { limit: 10 })
  const message = await messageId()
  const words = [
    ['explain', message],
    ['explain', `${message}${ODD}`],
    ['dead', 'list'],
    ...dead.map(({ name }) => ['dead', 'show', name]),
    ['status'],
    ['runs'],
    ['mailboxes'],
    ['estimate'],
    ['ai'],
    ['result', await answered()],
    ['trial', '--max-usd', '1', '--model', 'gpt-5'],
    ['replay', 'thread-group'],
    ['replay', 'merge', '--message', ODD],
  ]
  return words.flatMap(one => [one, [...one, '--json']])
}

/** Commands that print no foreign text, only their arguments and results. Another test covers `tail`. */
const QUOTES_NOBODY = [
  ...['stage', 'gateway', 'keeper', 'sim', 'connect', 'push', 'sync', 'watch', 'unwatch', 'pause', 'resume'],
  ...['remove', 'rekey', 'redrive', 'drop', 'tail', 'up', 'dead'],
]

const WRONG = [[ODD], ['stage', ODD], ['push', ODD], ['up', '--only', ODD], ['dead', 'show', ODD], ['tail', ODD]]
const HELPS = [['--help'], ['dead', '--help']]

let heard: { walked: Heard[]; wrong: Heard[]; helps: Heard[] }

t.before(async () => {
  const mails = join(folder, 'mail')
  await mkdir(mails)
  const mail = `From: "${WRITTEN}" <bo@example.org>\nTo: ana@example.com\nSubject: ${WRITTEN}\nMessage-ID: <a@x>\n\n${HOSTILE}\n`
  await writeFile(join(mails, 'a.eml'), mail)
  await redis.client.xadd(keys.stream('p03', 'message-ids', 'live'), '*', 'envelope', `not an envelope ${HOSTILE}`)
  await redis.client.xadd('mailsluice:intake', '*', 'emailAddress', HOSTILE, 'historyId', 'x')
  const synced = await run(['up', '--once', '--json', '--mbox', mails], environment)
  t.equal(synced.code, 0, synced.stderr)
  isHarmless(t, 'up', synced)
  await redis.client.hset(keys.mailbox(MAILBOX), { status: 'needs-reauth', statusReason: `${HOSTILE}\nforged` })
  const runId = (await listRuns(redis.client, keys, 1))[0]?.run ?? ''
  await redis.client.hset(keys.run(keys.partitionOf(MAILBOX), runId), { failure: `${HOSTILE}\nforged` })
  const note = { id: 'x', stage: 'batch-fetch', since: 1, attempts: 2, reason: `${HOSTILE}\nforged` }
  await redis.client.hset(keys.deferred(MAILBOX), `${runId}/w`, JSON.stringify(note))
  const commands = await walked()
  const all = await runAll([...commands, ...WRONG, ...HELPS])
  const wrong = all.splice(commands.length, WRONG.length)
  heard = { wrong, helps: all.splice(commands.length), walked: all }
})

t.test('no command prints control sequences from foreign text', async t => {
  const finished = heard.walked
  t.ok(finished.length >= 18)
  for (const one of finished) {
    const words = one.words.join(' ')
    isHarmless(t, words, one)
    t.notMatch(`${one.stdout}${one.stderr}`, /^forged/m, `${words}: no line of its own`)
    if (words.endsWith(' --json') && one.stdout !== '') JSON.parse(one.stdout)
  }
  for (const command of ['dead show', 'status', 'runs', 'mailboxes', 'explain', 'result', 'trial'])
    t.ok(
      finished.some(({ words, stdout }) => words.join(' ').startsWith(command) && stdout.includes('\\u009b2J')),
      `${command} does quote it`,
    )
})

t.test('tail prints the full mail as equivalent JSON', async t => {
  for (const words of [
    ['tail', 'analysis-tasks', '--from-start', '--json'],
    ['tail', 'message-ids', '--from-start'],
  ]) {
    const tail = start(words, environment)
    t.teardown(() => tail.kill('SIGKILL'))
    await until(() => tail.stdout().includes('\n'), 'it has printed a line')
    tail.kill('SIGTERM')
    const finished = await tail.exited
    isHarmless(t, words.join(' '), finished)
    if (!words.includes('--json')) continue
    const { envelope } = JSON.parse(finished.stdout.split('\n')[0] ?? '') as { envelope: { body: { subject: string } } }
    t.match(envelope.body.subject, 'red')
    t.match(finished.stdout, '\\u200f')
    t.notMatch(finished.stdout, '\\u202e', 'a task holds no bidi override')
  }
})

t.test('errors of wrong use do not repeat control sequences', async t => {
  for (const one of heard.wrong) {
    isHarmless(t, one.words[0] ?? '', one)
    t.match(one.stderr, 'mailsluice: ')
  }
  const [set] = await runAll([['status']], { GMAIL_BATCH_SIZE: ODD })
  isHarmless(t, 'a setting', set ?? { stdout: '', stderr: '' })
  t.match(set?.stderr, 'GMAIL_BATCH_SIZE')
})

t.test('every command is covered, or quotes no foreign text', async t => {
  const all = heard.helps.flatMap(({ stdout }) =>
    [...stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name ?? ''),
  )
  t.ok(all.length > 20, all.join(' '))
  const seen = new Set(heard.walked.flatMap(({ words }) => words.slice(0, 2)))
  for (const name of all) t.ok(seen.has(name) || QUOTES_NOBODY.includes(name), `${name} is walked`)
})

type Printed = Pick<Finished, 'stdout' | 'stderr'>
type Heard = Printed & { words: string[] }

/** Runs each of these commands and returns their output. */
async function runAll(commands: string[][], more: Record<string, string> = {}): Promise<Heard[]> {
  return Promise.all(commands.map(async words => ({ words, ...(await inTurn(words, { ...environment, ...more })) })))
}

function isHarmless(t: Test, what: string, { stdout, stderr }: Printed): void {
  t.same(obeyedIn(stdout), [], `${what}: stdout`)
  t.same(obeyedIn(stderr), [], `${what}: stderr`)
}

/** Writes an answer as a hostile model would give it, and returns its thread. */
async function answered(): Promise<string> {
  const { thread } = await firstTask()
  const output = { [HOSTILE]: HOSTILE }
  const answer = {
    v: 1,
    task: 'a',
    mailbox: MAILBOX,
    thread,
    version: 'v',
    model: HOSTILE,
    promptVersion: '1',
    output,
    at: 1,
  }
  await redis.client.set(keys.result(MAILBOX, thread), JSON.stringify({ ...answer, note: HOSTILE }))
  return thread
}

interface FirstTask {
  thread: string
  messages: { id: string }[]
}

async function firstTask(): Promise<FirstTask> {
  const [entry] = await redis.client.xrange(keys.stream(keys.partitionOf(MAILBOX), 'analysis-tasks', 'bulk'), '-', '+')
  return JSON.parse(entry?.[1]?.[1] ?? '{}').body as FirstTask
}

async function messageId(): Promise<string> {
  return (await firstTask()).messages[0]?.id ?? ''
}
