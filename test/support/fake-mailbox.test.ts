import t from 'tap'
import { fakeMailbox } from './fake-mailbox.ts'
import { mailboxContract } from './mailbox-contract.ts'

for (const wholeThreads of [false, true]) {
  mailboxContract(t, wholeThreads ? 'the fake with whole threads' : 'the fake', async () => {
    const mailbox = Object.assign(fakeMailbox(7), { wholeThreads })
    return {
      mailbox,
      deliver: async (count, threads) => mailbox.deliver(count, threads),
      remove: async id => mailbox.remove(id),
      relabel: async (id, added, removed) => mailbox.relabel(id, added, removed),
      unknown: 'm999999',
      requests: () => mailbox.calls.length,
      close: async () => undefined,
    }
  })
}
