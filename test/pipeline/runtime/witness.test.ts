import t from 'tap'
import { createWitness } from '../../../pipeline/runtime/witness.ts'
import { MailError } from '../../../shared/error.ts'
import type { Call } from '../../../shared/mailbox.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'

const ANA = 'gmail:ana@example.com'
const BO = 'gmail:bo@example.com'
const call: Call = { signal: new AbortController().signal, meter: () => undefined }

/** Creates a witness of the mailboxes of Ana and Bo, with a clock that the test sets. */
function watched() {
  let at = 1000
  const witness = createWitness(3, () => at)
  const [ana, bo] = [fakeMailbox(), fakeMailbox()]
  ana.deliver(10)
  ana.before = () => {
    throw new MailError('unavailable', 'away')
  }
  const ofAna = witness.watch(ANA, ana)
  const fail = async (...ids: string[]) => {
    await ofAna
      .fetch(
        ids.map(id => ({ id, thread: id })),
        call,
      )
      .catch(() => undefined)
  }
  const set = (ms: number) => {
    at = ms
  }
  return {
    witness,
    bo: witness.watch(BO, bo),
    fail,
    set,
    since: (ms: number, others = false) => ({ since: ms, others }),
  }
}

t.test('an item is at fault when the provider answers another mailbox meanwhile', async t => {
  const { witness, bo, fail, set, since } = watched()
  await bo.open(call)
  await fail('m1')
  set(1500)
  t.equal(witness.isOwnFault(ANA, since(1000)), false, 'what was answered before says nothing')
  await bo.open(call)
  t.equal(witness.isOwnFault(ANA, since(1000)), true)
  t.equal(witness.isOwnFault('outlook:ana@example.com', since(1000)), false, 'at another provider')
})

t.test('alone, an item is at fault after twenty seconds or beside served ones', async t => {
  const { witness, fail, set, since } = watched()
  await fail('m1')
  t.equal(witness.isOwnFault(ANA, since(1000)), false)
  t.equal(witness.isOwnFault(ANA, since(1000, true)), true)
  set(20_999)
  t.equal(witness.isOwnFault(ANA, since(1000)), false)
  set(21_000)
  t.equal(witness.isOwnFault(ANA, since(1000)), true)
})

t.test('many failures without an answer are an outage, however long', async t => {
  const { witness, fail, set, since } = watched()
  await fail('m1', 'm2')
  await fail('m3')
  set(100_000)
  t.equal(witness.isOwnFault(ANA, since(1000, true)), false)
})
