import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Account, Entry } from './account.ts'
import { asGoogleError, forbidden, notFound, unauthenticated } from './error.ts'
import { readFields, selectFields } from './fields.ts'
import { listLabels, renderLabel } from './label.ts'
import { listHistory, listMessages, listThreads } from './listing.ts'
import { renderAttachment, renderMessage, renderThread } from './message.ts'
import { flag, oneOf } from './parameters.ts'
import * as resources from './resources.ts'
import { tokenAddress } from './token.ts'

/** The mailboxes by lower-case address, and the clock. */
export interface World {
  accounts: ReadonlyMap<string, Account>
  now: () => number
}

interface Call {
  account: Account
  query: URLSearchParams
  nowMs: number
  /** The id in the path, of a message, a thread or a label. */
  id: string
  attachmentId: string
}

interface Route {
  path: string
  shape: resources.Shape
  answer: (call: Call) => unknown
}

const ROUTES: readonly Route[] = [
  { path: 'profile', shape: resources.PROFILE, answer: ({ account }) => profile(account) },
  { path: 'labels', shape: resources.LABELS, answer: ({ account }) => listLabels(account) },
  { path: 'labels/:id', shape: resources.LABEL, answer: ({ account, id }) => renderLabel(account, id) },
  { path: 'messages', shape: resources.MESSAGES, answer: listMessages },
  { path: 'messages/:id', shape: resources.MESSAGE, answer: call => renderMessage(entryOf(call), call) },
  {
    path: 'messages/:id/attachments/:attachmentId',
    shape: resources.ATTACHMENT,
    answer: call => renderAttachment(entryOf(call), call.attachmentId, call.account),
  },
  { path: 'threads', shape: resources.THREADS, answer: listThreads },
  { path: 'threads/:id', shape: resources.THREAD, answer: call => renderThread(call.id, call) },
  { path: 'history', shape: resources.HISTORY, answer: listHistory },
]

/** Adds Gmail's reading methods to a server, with their access checks, `fields`, `alt` and `prettyPrint`, and errors in Google's shape. */
export function addApi(app: FastifyInstance, world: World): void {
  for (const { path, shape, answer } of ROUTES) {
    app.get(`/gmail/v1/users/:userId/${path}`, async (request, reply) => {
      const call = readCall(request, world)
      oneOf(call.query, 'alt', ['json'])
      const fields = call.query.get('fields')
      // Checked before the work is done: a wrong selection is refused whatever would have been found.
      const selection = fields ? readFields(fields, shape) : 'all'
      const body = selectFields(await answer(call), selection)
      const json = JSON.stringify(body, null, flag(call.query, 'prettyPrint', true) ? 2 : 0)
      return reply.type('application/json; charset=UTF-8').send(`${json}\n`)
    })
  }
  app.setNotFoundHandler(() => {
    throw notFound()
  })
  app.setErrorHandler((thrown, _, reply) => {
    const { code, body } = asGoogleError(thrown)
    return reply
      .code(code)
      .type('application/json; charset=UTF-8')
      .send(JSON.stringify(body, null, 2))
  })
}

function readCall(request: FastifyRequest, { accounts, now }: World): Call {
  const nowMs = now()
  const account = accounts.get(tokenAddress(request.headers.authorization, nowMs))
  if (!account) throw unauthenticated(true)
  const { userId, id = '', attachmentId = '' } = request.params as Record<string, string | undefined>
  if (userId !== 'me' && userId?.toLowerCase() !== account.address.toLowerCase()) throw forbidden(userId ?? '')
  return { account, query: new URL(request.url, 'http://localhost').searchParams, nowMs, id, attachmentId }
}

function entryOf({ account, id }: Call): Entry {
  const entry = account.find(id)
  if (!entry) throw notFound()
  return entry
}

function profile(account: Account) {
  return {
    emailAddress: account.address,
    messagesTotal: account.entries().length,
    threadsTotal: account.threads().size,
    historyId: String(account.history().currentId),
  }
}
