import {
  AuthenticationHandler,
  BatchRequestContent,
  BatchResponseContent,
  Client,
  type Context,
  GraphError,
  type PageCollection,
  PageIterator,
  RetryHandler,
  RetryHandlerOptions,
} from '@microsoft/microsoft-graph-client'
import t from 'tap'
import type { GraphSimulator } from '../../sim/graph/simulator.ts'
import { ADDRESS, mailboxOf } from './client.ts'
import { graphConnected } from './graph-client.ts'

const GRAPH = 'https://graph.microsoft.com'

/** Returns Microsoft's own client, with its requests redirected to the simulator as by a proxy. */
function clientTo(sim: GraphSimulator) {
  const token = sim.tokens.access({ address: ADDRESS, scopes: ['Mail.Read'] })
  const send = async (context: Context) => {
    const url = String(context.request).replace(GRAPH, sim.url)
    const headers = new Headers(context.options?.headers as Record<string, string>)
    headers.set('x-forwarded-proto', 'https')
    headers.set('x-forwarded-host', 'graph.microsoft.com')
    context.response = await fetch(url, { ...(context.options as RequestInit), headers })
  }
  const authentication = new AuthenticationHandler({ getAccessToken: async () => token })
  const retry = new RetryHandler(new RetryHandlerOptions())
  authentication.setNext(retry)
  retry.setNext({ execute: send })
  return Client.initWithMiddleware({ middleware: authentication })
}

t.test('Microsoft’s client pages to the deltaLink, and through later changes', async t => {
  const { sim } = await graphConnected(t, mailboxOf(45))
  const client = clientTo(sim)
  const page: PageCollection = await client
    .api('/me/mailFolders/inbox/messages/delta')
    .header('Prefer', 'odata.maxpagesize=20')
    .select('subject')
    .get()
  const iterate = async (from: PageCollection) => {
    const subjects: string[] = []
    const options = { headers: { Prefer: 'odata.maxpagesize=20' } }
    const take = (item: { subject: string }) => subjects.push(item.subject) > 0
    const iterator = new PageIterator(client, from, take, options)
    await iterator.iterate()
    return { subjects, deltaLink: iterator.getDeltaLink() ?? '' }
  }
  const first = await iterate(page)
  t.equal(first.subjects.length, 45)
  sim.deliver(ADDRESS, 'Subject: fresh\r\n\r\nText.\r\n')
  const second = await iterate(await client.api(first.deltaLink).get())
  t.same(second.subjects, ['fresh'])
})

t.test('the simulator reads its batches, and it reads the answers', async t => {
  const { sim } = await graphConnected(t, mailboxOf(3))
  const [id = ''] = sim.mailbox(ADDRESS).ids()
  const request = (path: string) => new Request(`https://graph.microsoft.com/v1.0${path}`)
  const content = new BatchRequestContent([
    { id: '1', request: request(`/me/messages/${id}?$select=subject`) },
    { id: '2', request: request('/me/messages/nothing'), dependsOn: ['1'] },
    { id: '3', request: request('/me/mailFolders'), dependsOn: ['2'] },
  ])
  const answer = await clientTo(sim)
    .api('/$batch')
    .post(await content.getContent())
  const responses = new BatchResponseContent(answer)
  t.match(await responses.getResponseById('1').json(), { subject: 'Mail 2' })
  t.equal(responses.getResponseById('2').status, 400)
  t.equal(responses.getResponseById('3').status, 424)
})

t.test('its errors repeat Graph’s, and it retries on request', async t => {
  const { sim } = await graphConnected(t, mailboxOf(3))
  const client = clientTo(sim)
  const error = await client
    .api('/me/messages/nothing')
    .get()
    .catch((thrown: unknown) => thrown)
  t.ok(error instanceof GraphError)
  t.match(error, { statusCode: 400, code: 'ErrorInvalidIdMalformed', message: 'Id is malformed.' })
  sim.faults.set({ rates: { throttled: 0.5 }, retryAfterSeconds: 0.2, seed: 1 })
  for (let count = 0; count < 4; count++) t.equal((await client.api('/me').get()).mail, ADDRESS)
  t.ok(sim.faults.counts().throttled > 0)
})
