import t from 'tap'
import { createWitness } from '../../../pipeline/runtime/witness.ts'
import { MailError } from '../../../shared/error.ts'
import type { Call } from '../../../shared/mailbox.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'

const ANA = 'gmail:ana@example.com'
const BO = 'gmail:bo@example.com'
const call: Call = { signal: new AbortController().signal, meter: () => undefined }

/** A witness of the mailboxes of Ana and Bo, at a time that the test sets. */
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

t.test('a fault is the own fault of an item when the provider answers another mailbox meanwhile', async t => {
  const { witness, bo, fail, set, since } = watched()
  await bo.open(call)
  await fail('m1')
  set(1500)
  t.equal(witness.isOwnFault(ANA, since(1000)), false, 'what was answered before says nothing')
  await bo.open(call)
  t.equal(witness.isOwnFault(ANA, since(1000)), true)
  t.equal(witness.isOwnFault('outlook:ana@example.com', since(1000)), false, 'at another provider')
})

t.test('where nobody else is asked, it is after twenty seconds, or when others of the batch were answered', async t => {
  const { witness, fail, set, since } = watched()
  await fail('m1')
  t.equal(witness.isOwnFault(ANA, since(1000)), false)
  t.equal(witness.isOwnFault(ANA, since(1000, true)), true)
  set(20_999)
  t.equal(witness.isOwnFault(ANA, since(1000)), false)
  set(21_000)
  t.equal(witness.isOwnFault(ANA, since(1000)), true)
})

t.test('where many fail and nobody is answered it is an outage, however long', async t => {
  const { witness, fail, set, since } = watched()
  await fail('m1', 'm2')
  await fail('m3')
  set(100_000)
  t.equal(witness.isOwnFault(ANA, since(1000, true)), false)
})
