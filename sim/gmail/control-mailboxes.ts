import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { readBody } from '../control-body.ts'
import type { NewMail } from '../mailbox.ts'
import { ownOf } from '../own.ts'
import type { Account } from './account.ts'
import type { GmailState } from './api.ts'
import { invalid, notFound } from './error.ts'

/** The size of a mailbox: its address and its number of messages. */
export interface MailboxSize {
  address: string
  messages: number
}

const querySchema = z.strictObject({
  label: z
    .union([z.string(), z.array(z.string())])
    .transform(label => [label].flat())
    .optional(),
  receivedAt: z.coerce.number().int().min(0).optional(),
  threadId: z.string().optional(),
})

/**
 * Adds the routes through which other processes change mailboxes from outside. Changes that a Gmail client
 * can make use Gmail's methods.
 *
 * - `GET /control/mailboxes`: `[{address, messages}]`.
 * - `POST /control/mailboxes/:address/messages?label=…&receivedAt=…&threadId=…`: delivers a `message/rfc822`;
 *   answers `{id, threadId, historyId}`. `label` may be repeated.
 * - `POST /control/mailboxes/:address/messages/:id/touch`: a history record with only `id` and `messages`;
 *   answers `{historyId}`.
 * - `POST /control/mailboxes/:address/expire-history`: makes all existing history ids too old; answers
 *   `{historyId}`.
 * - `POST /control/mailboxes/:address/expire-tokens`: invalidates its existing access tokens; refresh tokens
 *   still work.
 * - `POST /control/mailboxes/:address/revoke`: `invalid_grant` until it is connected again; `…/restore`
 *   undoes that for the refresh token `simulated:<address>`.
 */
export function addMailboxControl(app: FastifyInstance, state: GmailState): void {
  const { accounts, tokens, now } = state
  const accountOf = ({ params }: FastifyRequest) => {
    const account = accounts.get(parameter(params, 'address').toLowerCase())
    if (!account) throw notFound()
    return account
  }
  const historyOf = ({ history }: Account) => ({ historyId: String(history.currentId()) })

  app.get('/control/mailboxes', async () => sizes(state))
  app.post('/control/mailboxes/:address/messages', async request => {
    const account = accountOf(request)
    if (!Buffer.isBuffer(request.body)) throw invalid('Send a mail as message/rfc822.')
    const { label, receivedAt, threadId } = readBody(querySchema, request.query)
    if (threadId !== undefined && account.thread(threadId).length === 0) throw notFound()
    return deliverTo(account, { raw: request.body, labels: label, receivedAtMs: receivedAt, threadId }, now())
  })
  app.post('/control/mailboxes/:address/messages/:id/touch', async request => {
    const account = accountOf(request)
    const entry = account.find(parameter(request.params, 'id'))
    if (!entry) throw notFound()
    account.touch(entry)
    return historyOf(account)
  })
  app.post('/control/mailboxes/:address/expire-history', async request => {
    const account = accountOf(request)
    account.history.expire()
    return historyOf(account)
  })
  for (const [action, act] of [
    ['expire-tokens', tokens.expire],
    ['revoke', tokens.revoke],
    ['restore', tokens.restore],
  ] as const) {
    app.post(`/control/mailboxes/:address/${action}`, async request => {
      const { address } = accountOf(request)
      act(address)
      return { address }
    })
  }
}

/** Returns the current size of each mailbox. */
export function sizes({ accounts }: GmailState): MailboxSize[] {
  return [...accounts.values()].map(account => ({ address: account.address, messages: account.entries().length }))
}

/** Delivers a mail, by default received now, unread and in the inbox; answers with its ids. */
export function deliverTo(
  account: Account,
  mail: NewMail & { threadId?: string | undefined },
  nowMs: number,
): { id: string; threadId: string; historyId: string } {
  const { raw, labels = ['INBOX', 'UNREAD'], receivedAtMs = nowMs, threadId: thread } = mail
  const { id, threadId, historyId } = account.deliver({ raw, labels, receivedAtMs }, { threadId: thread })
  return { id, threadId, historyId: String(historyId) }
}

function parameter(params: unknown, name: string): string {
  return ownOf(params as Record<string, string | undefined>, name) ?? ''
}
