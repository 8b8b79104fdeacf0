import t from 'tap'
import { clientStateKeys, clientStateOf, isClientState } from '../../../shared/outlook/client-state.ts'
import { parseSealingKeys } from '../../../shared/seal.ts'

const BO = 'outlook:bo@example.com'
const sealing = (text: string) => parseSealingKeys(text) ?? []
const key = (fill: number) => Buffer.alloc(32, fill).toString('base64')
const first = (keys: Buffer[]) => keys[0] ?? Buffer.alloc(0)

t.test('a clientState is stable, unique to mailbox and key, and short enough for Graph', async t => {
  const one = clientStateKeys({ sealingKeys: sealing(key(1)) })
  const own = clientStateKeys({ secret: 'a secret of its own', sealingKeys: sealing(key(1)) })
  t.equal(clientStateOf(first(one), BO), clientStateOf(first(clientStateKeys({ sealingKeys: sealing(key(1)) })), BO))
  const states = [
    clientStateOf(first(one), BO),
    clientStateOf(first(one), 'outlook:cy@example.com'),
    clientStateOf(first(own), BO),
    clientStateOf(first(clientStateKeys({ sealingKeys: sealing(key(2)) })), BO),
  ]
  t.equal(new Set(states).size, states.length)
  for (const state of states) t.match(state, /^[\w-]{43}$/)
  t.notOk(first(one).equals(Buffer.alloc(32, 1)), 'the sealing key itself makes no clientState')
})

t.test('the first key makes it, all keys verify it, and nothing else does', async t => {
  const keys = clientStateKeys({ sealingKeys: sealing(`v2:${key(2)},v1:${key(1)}`) })
  const [now = Buffer.alloc(0), before = Buffer.alloc(0)] = keys
  t.ok(isClientState(keys, BO, clientStateOf(now, BO)))
  t.ok(isClientState(keys, BO, clientStateOf(before, BO)))
  const good = clientStateOf(now, BO)
  const wrong = [
    '',
    good.slice(1),
    `${good}=`,
    good.toLowerCase(),
    clientStateOf(now, 'outlook:cy@example.com'),
    'é'.repeat(43),
  ]
  for (const one of wrong) t.notOk(isClientState(keys, BO, one), one)
  t.notOk(isClientState([], BO, good), 'without a key nothing is accepted')
  t.same(clientStateKeys({ sealingKeys: [] }), [])
  t.equal(
    clientStateKeys({ secret: 'a separate secret', sealingKeys: sealing(key(1)) }).length,
    1,
    'a separate secret is the only source',
  )
})
