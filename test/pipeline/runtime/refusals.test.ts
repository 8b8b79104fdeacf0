import t from 'tap'
import { createRefusals } from '../../../pipeline/runtime/refusals.ts'
import { MailError } from '../../../shared/error.ts'
import type { Fetched } from '../../../shared/mailbox.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { endTokenRefusals, noteTokenRefusal } from '../../../shared/redis/token-refusals.ts'
import { type FakeMailbox, fakeMailbox } from '../../support/fake-mailbox.ts'
import { redisFor } from '../../support/redis.ts'

const ANA = 'gmail:ana@example.com'
const MINUTE_MS = 60_000
const call = { signal: new AbortController().signal, meter: () => undefined }
const { redis } = await redisFor(t)
const keys = createKeys('refusals', 1)

/** Wraps a mailbox as one process does; several share the state in Redis. */
function open(mailbox: FakeMailbox = fakeMailbox()) {
  const judged = createRefusals({
    threshold: 3,
    patienceMs: 15 * MINUTE_MS,
    tokens: {
      note: () => noteTokenRefusal(redis, keys, ANA),
      end: () => endTokenRefusals(redis, keys, ANA),
    },
  })(mailbox)
  return { mailbox, judged }
}

t.test('a refused token is retried across processes and parks after 15 minutes', async t => {
  const { mailbox, judged } = open()
  const other = open(mailbox)
  mailbox.before = () => {
    throw new MailError('unauthorized', 'HTTP 401', { blames: 'token' })
  }
  const pauses: number[] = []
  let error = await failureOf(judged.open(call))
  for (let asked = 0; error?.kind === 'throttled' && asked < 100; asked += 1) {
    pauses.push(error.retryAfterMs ?? 0)
    await pass(error.retryAfterMs ?? 0)
    error = await failureOf((asked % 2 ? judged : other.judged).open(call))
  }
  t.same([pauses[0], pauses.at(-1)], [1000, MINUTE_MS])
  t.ok(pauses.length < 40, `${pauses.length} tries`)
  t.match(error, {
    kind: 'unauthorized',
    message: /HTTP 401; every new access token has been refused for 1[56] minutes/,
  })

  mailbox.before = () => undefined
  await judged.open(call)
  mailbox.before = () => {
    throw new MailError('unavailable', 'HTTP 401', { blames: 'token' })
  }
  t.match(await failureOf(judged.open(call)), { kind: 'throttled', retryAfterMs: 1000 }, 'a success ends it')
})

t.test('a message refused beside served ones is itself at fault', async t => {
  const { mailbox, judged } = open()
  mailbox.deliver(2)
  const answers = await withRefused(mailbox, ['m0'], judged).fetch(wanted('m0', 'm1'), call)
  t.match(answers.get('m0'), { outcome: 'failed', error: { kind: 'rejected', message: 'HTTP 403' } })
  t.match(answers.get('m1'), { outcome: 'ok' })
})

t.test('a message refused alone is retried while the mailbox is served', async t => {
  const { mailbox, judged } = open()
  mailbox.deliver(5)
  const guarded = withRefused(mailbox, ['m0', 'm1'], judged)
  for (let n = 0; n < 5; n += 1) {
    const answers = await guarded.fetch(wanted('m0'), call)
    t.match(answers.get('m0'), { outcome: 'failed', error: { kind: 'unavailable' } })
  }
  t.ok(mailbox.calls.includes('probe'))
})

t.test('a refused mailbox or enough refused messages count for the account', async t => {
  const first = open()
  first.mailbox.before = kind => {
    if (kind === 'probe') throw new MailError('unauthorized', 'Mail service not enabled')
  }
  const one = withRefused(first.mailbox, ['m0'], first.judged)
  t.match(await failureOf(one.fetch(wanted('m0'), call)), { kind: 'unauthorized', message: 'Mail service not enabled' })

  const second = open()
  const all = withRefused(second.mailbox, ['m0', 'm1', 'm2'], second.judged)
  await all.fetch(wanted('m0'), call)
  await all.fetch(wanted('m1'), call)
  const error = await failureOf(all.fetch(wanted('m2'), call))
  t.match(error, { kind: 'unauthorized', message: /^the provider refuses every message: HTTP 403$/ })
})

/** Ages the recorded refusals. */
async function pass(ms: number): Promise<void> {
  const key = `${keys.tokenRefused(ANA)}:since`
  await redis.pexpire(key, (await redis.pttl(key)) - ms)
}

/** Creates the wrapped mailbox with these messages refused. */
function withRefused(mailbox: FakeMailbox, ids: readonly string[], judged: ReturnType<typeof open>['judged']) {
  const { fetch } = mailbox
  mailbox.fetch = async (some, options) => {
    const answers = new Map<string, Fetched>(await fetch(some, options))
    const error = new MailError('unauthorized', 'HTTP 403', { blames: 'access' })
    for (const id of ids) if (answers.has(id)) answers.set(id, { outcome: 'failed', error })
    return answers
  }
  return judged
}

function wanted(...ids: string[]) {
  return ids.map(id => ({ id, thread: 't' }))
}

function failureOf(asked: Promise<unknown>): Promise<MailError | undefined> {
  return asked.then(
    () => undefined,
    (error: MailError) => error,
  )
}
