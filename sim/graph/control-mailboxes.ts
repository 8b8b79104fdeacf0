import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { readBody } from '../control-body.ts'
import { ownOf } from '../own.ts'
import type { GraphState } from './answer.ts'
import { badRequest, notFound } from './error.ts'
import { openHandle } from './handle.ts'
import { LIFECYCLE_EVENTS } from './subscriptions.ts'

const deliverySchema = z.strictObject({
  folder: z.string().optional(),
  label: z
    .union([z.string(), z.array(z.string())])
    .transform(label => [label].flat())
    .optional(),
  receivedAt: z.coerce.number().int().min(0).optional(),
})
const marksSchema = z.strictObject({
  isRead: z.boolean().optional(),
  flagged: z.boolean().optional(),
  important: z.boolean().optional(),
  categories: z.array(z.string()).optional(),
})
const moveSchema = z.strictObject({ to: z.string() })
const folderSchema = z.strictObject({ path: z.string().min(1) })
const folderChangeSchema = z.strictObject({ displayName: z.string().min(1).optional(), parent: z.string().optional() })
const expirySchema = z.strictObject({ folder: z.string().optional() })
const lifecycleSchema = z.strictObject({ event: z.enum(LIFECYCLE_EVENTS) })

/**
 * Adds the routes through which other processes change simulated Outlook mailboxes. A folder is named by its
 * id, its well-known name, or its path (`Projects/Rome`, encoded); a message by either of its ids.
 *
 * - `GET /control/graph/mailboxes`: `[{address, messages}]`.
 * - Below `/control/graph/mailboxes/:address`:
 *   - `POST /messages?folder=…&label=…&receivedAt=…`: delivers a `message/rfc822`; answers `{id,
 *     conversationId}` with the immutable id. `label` may be repeated; Gmail labels name the folder unless
 *     `folder` does.
 *   - `POST /messages/:id/move?to=…`, `PATCH /messages/:id` with `{isRead, flagged, important, categories}`,
 *     `DELETE /messages/:id`.
 *   - `POST /folders` with `{path}`, answers `{id}`; `PATCH /folders/:folder` with `{displayName, parent}`;
 *     `DELETE /folders/:folder`.
 *   - `POST /expire-delta?folder=…`: makes existing delta tokens too old, of one folder or of all.
 *   - `POST /expire-tokens`: invalidates its existing access tokens and notifies its subscribers; refresh
 *     tokens still work.
 *   - `POST /lapse-grant`, `/revoke`: `invalid_grant` until it is connected again; a revocation also removes
 *     its subscriptions. `POST /restore` undoes either for the refresh token `simulated:<address>`.
 *   - `POST /lapse-subscriptions`, and `POST /lifecycle?event=…` for `reauthorizationRequired`,
 *     `subscriptionRemoved` or `missed`.
 */
export function addMailboxControl(app: FastifyInstance, { accounts, tokens, subscriptions, now }: GraphState): void {
  const root = '/control/graph/mailboxes'
  const accountOf = (request: FastifyRequest) => {
    const account = accounts.get(parameter(request, 'address').toLowerCase())
    if (!account) throw notFound()
    return account
  }
  const boxOf = (request: FastifyRequest) => openHandle(accountOf(request), now)
  const done = {}

  app.get(root, async () =>
    [...accounts.values()].map(({ address, messages }) => ({ address, messages: messages.newestFirst().length })),
  )
  app.post(`${root}/:address/messages`, async request => {
    const box = boxOf(request)
    if (!Buffer.isBuffer(request.body)) throw badRequest('Send a mail as message/rfc822.')
    const { folder, label: labels, receivedAt } = readBody(deliverySchema, request.query)
    return box.deliver(request.body, { folder, labels, receivedAt })
  })
  app.post(`${root}/:address/messages/:id/move`, async request => {
    boxOf(request).move(readBody(moveSchema, request.query).to, parameter(request, 'id'))
    return done
  })
  app.patch(`${root}/:address/messages/:id`, async request => {
    boxOf(request).mark(parameter(request, 'id'), readBody(marksSchema, request.body))
    return done
  })
  app.delete(`${root}/:address/messages/:id`, async request => {
    boxOf(request).delete(parameter(request, 'id'))
    return done
  })
  app.post(`${root}/:address/folders`, async request => ({
    id: boxOf(request).createFolder(readBody(folderSchema, request.body).path),
  }))
  app.patch(`${root}/:address/folders/:folder`, async request => {
    const [box, folder] = [boxOf(request), parameter(request, 'folder')]
    const { displayName, parent } = readBody(folderChangeSchema, request.body)
    const id = box.folderId(folder)
    if (displayName !== undefined) box.renameFolder(id, displayName)
    if (parent !== undefined) box.moveFolder(id, parent)
    return { id }
  })
  app.delete(`${root}/:address/folders/:folder`, async request => {
    boxOf(request).deleteFolder(parameter(request, 'folder'))
    return done
  })
  app.post(`${root}/:address/expire-delta`, async request => {
    boxOf(request).expireDelta(readBody(expirySchema, request.query).folder)
    return done
  })
  app.post(`${root}/:address/lifecycle`, async request => {
    const { address } = accountOf(request)
    subscriptions.notify(readBody(lifecycleSchema, request.query).event, address)
    return done
  })
  for (const [action, act] of [
    ['expire-tokens', tokens.expire],
    ['lapse-grant', tokens.lapse],
    ['revoke', tokens.revoke],
    ['restore', tokens.restore],
    ['lapse-subscriptions', subscriptions.lapse],
  ] as const) {
    app.post(`${root}/:address/${action}`, async request => {
      act(accountOf(request).address)
      return done
    })
  }
}

function parameter({ params }: FastifyRequest, name: string): string {
  return ownOf(params as Record<string, string | undefined>, name) ?? ''
}
