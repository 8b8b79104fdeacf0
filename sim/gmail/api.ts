import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Account } from './account.ts'
import type { Call } from './call.ts'
import * as changes from './changes.ts'
import { asGoogleError, forbidden, insufficientScopes, notFound, unauthenticated } from './error.ts'
import { readFields, type Selection, selectFields } from './fields.ts'
import { listHistory } from './history-list.ts'
import { importMessage, insertMessage, sendMessage } from './insert.ts'
import { createLabel, deleteLabel, listLabels, renderLabel, updateLabel } from './label.ts'
import { listMessages, listThreads } from './listing.ts'
import { renderAttachment, renderMessage, renderThread } from './message.ts'
import { METHODS, type Method, type MethodName } from './methods.ts'
import { flag, knownOnly, oneOf, readJson } from './parameters.ts'
import type { Quirks } from './quirks.ts'
import * as resources from './resources.ts'
import { scopesOf } from './scopes.ts'
import type { Tokens } from './token.ts'
import { addUpload, addUploadTypes } from './upload.ts'
import type { Watches } from './watch.ts'

/** The state of a simulator: mailboxes by lower-case address, tokens, the clock, and quirks. */
export interface GmailState {
  accounts: ReadonlyMap<string, Account>
  tokens: Tokens
  watches: Watches
  now: () => number
  quirks: Quirks
}

interface Answerer {
  /** The fields of the answer; none if it has no body. */
  shape?: resources.Shape
  answer: (call: Call, state: GmailState) => unknown
}

// A client asks for the same few again and again.
const MOST_SELECTIONS = 100
const LABELLED = { shape: resources.MESSAGE }
const THREAD = { shape: resources.THREAD }
const LABEL = { shape: resources.LABEL }

const ANSWERS: Record<MethodName, Answerer> = {
  getProfile: { shape: resources.PROFILE, answer: ({ account }) => profile(account) },
  watch: { shape: resources.WATCH, answer: (call, { watches }) => watches.start(call) },
  stop: { answer: (call, { watches }) => watches.stop(call) },
  'history.list': { shape: resources.HISTORY, answer: listHistory },
  'labels.list': { shape: resources.LABELS, answer: listLabels },
  'labels.get': { ...LABEL, answer: renderLabel },
  'labels.create': { ...LABEL, answer: createLabel },
  'labels.update': { ...LABEL, answer: updateLabel },
  'labels.patch': { ...LABEL, answer: updateLabel },
  'labels.delete': { answer: deleteLabel },
  'messages.list': { shape: resources.MESSAGES, answer: listMessages },
  'messages.get': { ...LABELLED, answer: renderMessage },
  'messages.attachments.get': { shape: resources.ATTACHMENT, answer: renderAttachment },
  'messages.insert': { ...LABELLED, answer: insertMessage },
  'messages.import': { ...LABELLED, answer: importMessage },
  'messages.send': { ...LABELLED, answer: (call, { accounts }) => sendMessage(call, accounts) },
  'messages.modify': { ...LABELLED, answer: changes.modifyMessage },
  'messages.batchModify': { answer: changes.batchModify },
  'messages.trash': { ...LABELLED, answer: changes.trashMessage },
  'messages.untrash': { ...LABELLED, answer: changes.untrashMessage },
  'messages.delete': { answer: changes.deleteMessage },
  'messages.batchDelete': { answer: changes.batchDelete },
  'threads.list': { shape: resources.THREADS, answer: listThreads },
  'threads.get': { ...THREAD, answer: renderThread },
  'threads.modify': { ...THREAD, answer: changes.modifyThread },
  'threads.trash': { ...THREAD, answer: changes.trashThread },
  'threads.untrash': { ...THREAD, answer: changes.untrashThread },
  'threads.delete': { answer: changes.deleteThread },
}

/**
 * Adds Gmail's methods to a server, with access checks, `fields`, `alt` and `prettyPrint`, and errors in
 * Google's format.
 */
export function addApi(app: FastifyInstance, state: GmailState): void {
  addUploadTypes(app)
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', { parseAs: 'string' }, async (_: unknown, body: string) =>
    readJson(body),
  )
  for (const method of METHODS) {
    const url = `/gmail/v1/users/:userId/${method.path}`
    const selections = new Map<string, Selection>()
    const answerWith = (request: FastifyRequest, reply: FastifyReply, body: unknown) =>
      answerCall(request, reply, { method, body, state, selections })
    app.route({ method: method.verb, url, handler: (request, reply) => answerWith(request, reply, request.body) })
    if (method.uploads) addUpload(app, url, answerWith)
  }
  app.setNotFoundHandler(() => {
    throw notFound()
  })
  app.setErrorHandler((thrown, _, reply) => {
    const { code, headers, body } = asGoogleError(thrown)
    return reply.code(code).headers(headers).send(body)
  })
}

interface Asked {
  method: Method & { name: MethodName }
  body: unknown
  state: GmailState
  /** Selections by the text of their `fields`. */
  selections: Map<string, Selection>
}

/** Answers a call to one of its paths with the given parsed body. */
async function answerCall(
  request: FastifyRequest,
  reply: FastifyReply,
  { method, body, state, selections }: Asked,
): Promise<FastifyReply> {
  const { shape, answer } = ANSWERS[method.name]
  const call = readCall(request, { method, body, state })
  oneOf(call.query, 'alt', ['json'])
  knownOnly(call.query, method.query)
  const fields = call.query.get('fields')
  // A wrong selection is refused before the work, regardless of the result.
  const selection = fields && shape ? selectionOf(fields, shape, selections) : 'all'
  const answered = selectFields(await answer(call, state), selection)
  if (!shape) return reply.code(204).send()
  const json = JSON.stringify(answered, null, flag(call.query, 'prettyPrint', true) ? 2 : 0)
  return reply.type('application/json; charset=UTF-8').send(`${json}\n`)
}

function selectionOf(fields: string, shape: resources.Shape, known: Map<string, Selection>): Selection {
  const selection = known.get(fields) ?? readFields(fields, shape)
  if (known.size < MOST_SELECTIONS) known.set(fields, selection)
  return selection
}

function readCall(
  request: FastifyRequest,
  { method, body, state }: { method: Method; body: unknown; state: GmailState },
): Call {
  const { accounts, tokens, now, quirks } = state
  const grant = tokens.readAuthorization(request.headers.authorization)
  const account = accounts.get(grant.address)
  if (!account) throw unauthenticated(true)
  const { userId, id = '', messageId = '' } = request.params as Record<string, string | undefined>
  if (userId !== 'me' && userId?.toLowerCase() !== account.address.toLowerCase())
    throw forbidden(`Delegation denied for ${userId}`)
  const scopes = scopesOf(grant.scope)
  if (!scopes.some(scope => method.scopes.includes(scope))) throw insufficientScopes(method.name)
  const query = new URL(request.url, 'http://localhost').searchParams
  return { account, query, body, nowMs: now(), id, messageId, scopes, quirks }
}

function profile(account: Account) {
  return {
    emailAddress: account.address,
    messagesTotal: account.entries().length,
    threadsTotal: account.threads().size,
    historyId: String(account.history.currentId()),
  }
}
