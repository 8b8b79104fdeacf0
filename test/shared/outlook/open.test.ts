import t, { type Test } from 'tap'
import { asMailError } from '../../../shared/error.ts'
import { outlookMailbox } from '../../../shared/outlook/mailbox.ts'
import { heldLinks } from '../../support/links.ts'
import { heldSubscription } from '../../support/subscription.ts'
import { http } from '../../support/surroundings.ts'
import { type Reply, startGraph } from './graph.ts'

const call = { signal: new AbortController().signal, meter: () => undefined }

async function open(t: Test, reply: Reply, application = false) {
  const graph = await startGraph(() => reply)
  t.teardown(() => graph.close())
  const mailbox = outlookMailbox({
    http,
    address: 'bo@example.com',
    tokens: { get: async () => 's3cret', refused: async () => false },
    application,
    links: heldLinks(),
    subscription: heldSubscription(),
    rootUrl: graph.rootUrl,
    initialSync: { kind: 'all' },
    pageSize: 10,
    parallel: 4,
    batchSize: 20,
  })
  return mailbox.open(call)
}

t.test('a mailbox is named by its mail address; the sign-in name may differ', async t => {
  const upn = { mail: 'Bo@example.com', userPrincipalName: 'b.o@corp.example' }
  t.match(await open(t, { body: upn }), { address: 'Bo@example.com', also: ['b.o@corp.example'] })
  t.match(await open(t, { body: { ...upn, mail: null } }), { address: 'b.o@corp.example', also: undefined })
})

t.test('an unknown user gets an error with the helpful name', async t => {
  for (const code of ['ErrorInvalidUser', 'Request_ResourceNotFound']) {
    const error = await open(t, { status: 404, body: { error: { code, message: 'planted' } } }, true).catch(asMailError)
    t.match(error, { kind: 'unauthorized', message: /use the user principal name if the mail address differs/ })
    t.notMatch(String(error), /planted/)
  }
})
