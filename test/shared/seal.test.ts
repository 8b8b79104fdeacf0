import { randomBytes } from 'node:crypto'
import t from 'tap'
import { readConfig } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import { createSeal, parseSealingKeys, type SealingKey } from '../../shared/seal.ts'

const SECRET = 'a refresh token'
const place = { mailbox: 'gmail:ana@example.com', name: 'refresh' } as const

t.test('a sealed text opens again; each sealing differs', async t => {
  const seal = createSeal(keysOf('v1'))
  const sealed = [seal.seal(SECRET, place), seal.seal(SECRET, place)]
  t.not(sealed[0], sealed[1])
  for (const one of sealed) {
    t.equal(seal.open(one, place), SECRET)
    t.notMatch(one, SECRET)
  }
  t.equal(seal.open(seal.seal('', place), place), '')
})

t.test('the first key seals, all keys open', async t => {
  const [one, two] = [keysOf('v1'), keysOf('v2')]
  const old = createSeal(one).seal(SECRET, place)
  const both = createSeal([...two, ...one])
  t.equal(both.open(old, place), SECRET)
  t.equal(both.isCurrent(old), false)
  const recreated = both.seal(SECRET, place)
  t.equal(both.isCurrent(recreated), true)
  t.equal(createSeal(two).open(recreated, place), SECRET)
})

t.test('a value opens only where it was sealed for', async t => {
  const seal = createSeal(keysOf('v1'))
  const sealed = seal.seal(SECRET, place)
  const others = [
    { ...place, mailbox: 'gmail:bo@example.com' as const },
    { ...place, name: 'access' },
  ]
  for (const other of others) refused(t, () => seal.open(sealed, other), /does not open with key v1/)
})

t.test('changed, cut or foreign values do not open', async t => {
  const seal = createSeal(keysOf('v1'))
  const sealed = seal.seal(SECRET, place)
  const bytes = Buffer.from(sealed.slice(3), 'base64url')
  for (let at = 0; at < bytes.length; at += 1) {
    const changed = Buffer.from(bytes)
    changed[at] = (changed[at] ?? 0) ^ 1
    refused(t, () => seal.open(`v1.${changed.toString('base64url')}`, place), /gmail:ana@example.com/)
  }
  for (const wrong of ['v1.', 'v1.AAAA', '', SECRET, sealed.slice(0, -8)]) {
    refused(t, () => seal.open(wrong, place), /gmail:ana@example.com/)
  }
  refused(t, () => createSeal(keysOf('v1')).open(sealed, place), /the key differs from the one that sealed it/)
  refused(t, () => createSeal(keysOf('v2')).open(sealed, place), /MAILBOXES_KEY does not hold v1: add it as v1:KEY/)
  refused(t, () => createSeal([]).open(sealed, place), /sealed with key v1, and MAILBOXES_KEY is not set/)
  refused(t, () => createSeal([]).seal(SECRET, place), /set MAILBOXES_KEY/)
})

t.test('MAILBOXES_KEY is one or several versioned keys, never repeated', async t => {
  const [a, b] = [randomBytes(32), randomBytes(32)]
  t.same(parseSealingKeys(a.toString('base64')), [{ version: 'v1', key: a }])
  t.same(parseSealingKeys(` v2:${a.toString('base64url')} , v1:${b.toString('base64')} `), [
    { version: 'v2', key: a },
    { version: 'v1', key: b },
  ])
  const wrong = [
    'hunter2',
    randomBytes(31).toString('base64'),
    `v1:${a.toString('base64')},v1:${b.toString('base64')}`,
    `${a.toString('base64')},`,
    `x2:${a.toString('base64')}`,
  ]
  for (const text of wrong) {
    t.equal(parseSealingKeys(text), undefined)
    t.throws(() => readConfig({ MAILBOXES_KEY: text }), /^MAILBOXES_KEY: its value is not allowed; use 32 bytes/)
  }
  t.same(readConfig({}).MAILBOXES_KEY, [])
})

function keysOf(version: string): SealingKey[] {
  return [{ version, key: randomBytes(32) }]
}

function refused(
  t: { match: (a: unknown, b: unknown) => void; notMatch: (a: unknown, b: unknown) => void },
  work: () => void,
  says: RegExp,
): void {
  let thrown: unknown
  try {
    work()
  } catch (error) {
    thrown = error
  }
  t.match(thrown, { kind: 'misconfigured' })
  t.match(String(thrown), says)
  t.notMatch(thrown instanceof MailError ? `${thrown.stack} ${String(thrown.cause)}` : '', SECRET)
}
