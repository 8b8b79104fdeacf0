import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { MailError } from '../../shared/error.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import { clientStateCheck } from '../../shared/outlook/client-state.ts'
import {
  type GraphNotification,
  MAX_NOTIFICATIONS,
  nameOfNotifications,
  noNotification,
  readGraphNotification,
} from '../../shared/outlook/notification.ts'
import { countUnknown } from '../../shared/redis/arrivals.ts'
import { type Due, markDue, subscribersOf } from '../../shared/redis/subscriptions.ts'
import { MAX_CREATED } from '../../shared/streams.ts'
import { OUTLOOK_PATHS } from '../accounts/providers/outlook-notify.ts'
import type { AppContext } from '../base/app.ts'
import type { Log } from '../base/log.ts'
import { oneAtATime } from '../runtime/one-at-a-time.ts'
import { createBodyReader } from './body.ts'
import type { EndpointContext } from './endpoint.ts'
import { openItemReader } from './items.ts'
import { inTime } from './post.ts'

/** The options of the endpoints for Graph notifications. */
export interface OutlookPushOptions extends EndpointContext {
  app: Pick<AppContext, 'redis' | 'keys'>
  /** The keys of clientStates; without any, all notifications are refused. */
  clientStateKeys: readonly Buffer[]
  log: Log
}

/** The verified notifications of one mailbox in a POST. */
interface Verified {
  mailbox: MailboxId
  notifications: GraphNotification[]
}

/** The notifications of a POST, sorted by verification result. */
interface Sorted {
  verified: Verified[]
  unknown: number
  forged: MailboxId[]
}

// Graph posts up to a thousand at once when much changes, each of slightly less than 900 bytes.
const BODY_LIMIT_BYTES = MAX_NOTIFICATIONS * 900
const MAX_ITEM_BYTES = 8 * 1024
const MAX_BUFFERED_BYTES = 16 * 1024 * 1024
// For an address over the limit of refusals, a body may only be as long as Graph's usual ones.
const LIMITED_BODY_BYTES = 16 * 1024
// Up to this many subscriptions are looked up at once; larger POSTs take turns, because others wait for Redis too.
const FEW_SUBSCRIPTIONS = 50
const MAX_TOKEN_LENGTH = 2048
// Graph waits three seconds, and drops endpoints that are slow (learn.microsoft.com/graph/change-notifications-delivery-webhooks).
const ANSWER_WITHIN_MS = 2500

const UNSET = 'notifications cannot be verified, so all are refused: set MAILBOXES_KEY or OUTLOOK_CLIENT_STATE'

// Lifecycle events and the action each requires (learn.microsoft.com/graph/change-notifications-lifecycle-events).
const LIFECYCLE_ACTIONS: ReadonlyMap<string, Due> = new Map([
  ['reauthorizationRequired', 'renew'],
  ['subscriptionRemoved', 'removed'],
])

/**
 * Adds the endpoints for Graph's change and lifecycle notifications. Answers 202 once all verified notifications are in Redis, 400 for a
 * body that is no notification, 413, and 503 when Redis is unavailable: Graph retries for up to four hours without a 2xx. The gateway
 * only records them: the stages sync the mailbox, and the keeper repairs the subscription.
 *
 * Unverified notifications get 202 as well. A 401 would make Graph retry for hours after a change of secret, and would reveal which
 * subscriptions exist; so a wrong clientState looks exactly like an unknown subscription. Both count as refused, and an address
 * with too many refusals gets 429 instead.
 */
export function addOutlookPush(http: FastifyInstance, options: OutlookPushOptions): void {
  const { app, receiver, refusals, limitedLog, connections, clientOf, clientStateKeys, machine, log } = options
  const { redis, keys } = app
  const { uuid } = machine
  const readBody = createBodyReader(MAX_BUFFERED_BYTES)
  const inTurn = oneAtATime()

  void http.register(async scope => {
    // Items are parsed as they arrive, so no body is parsed as a whole.
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', async () => undefined)
    for (const path of Object.values(OUTLOOK_PATHS)) {
      scope.post<{ Querystring: { validationToken?: unknown } }>(path, async (request, reply) => {
        const { validationToken } = request.query
        if (validationToken !== undefined) return answerValidation(reply, validationToken)
        if (clientStateKeys.length === 0) throw new MailError('misconfigured', UNSET)
        const isLimited = await refusals.isOver(request)
        const notifications = await readAndLog(request, isLimited)
        const hasVerified = await inTime(handle(notifications, request, isLimited), ANSWER_WITHIN_MS, machine)
        if (!hasVerified) {
          connections.refuse(request.raw.socket)
          await refusals.pace()
        }
        return reply.code(202).send()
      })
    }
  })

  async function readAndLog(request: FastifyRequest, isLimited: boolean): Promise<GraphNotification[]> {
    try {
      return await read(request, isLimited ? LIMITED_BODY_BYTES : BODY_LIMIT_BYTES)
    } catch (error) {
      if (isLimited) throw await refusals.tooMany(request)
      if (error instanceof MailError && error.kind === 'unparsable') {
        const facts = { ip: clientOf(request.raw) }
        limitedLog.report({ level: 'warn', text: 'posted body is no notification; refused', facts })
      }
      throw error
    }
  }

  async function read({ raw, headers }: FastifyRequest, limit: number): Promise<GraphNotification[]> {
    const reader = openItemReader({
      what: 'Graph notification',
      mostItems: MAX_NOTIFICATIONS,
      mostItemBytes: MAX_ITEM_BYTES,
      read: readGraphNotification,
    })
    await readBody(raw, { limit, length: Number(headers['content-length'] ?? 0), take: reader.write })
    const notifications = reader.end()
    if (notifications.length === 0) throw noNotification()
    return notifications
  }

  async function handle(
    notifications: readonly GraphNotification[],
    request: FastifyRequest,
    isLimited: boolean,
  ): Promise<boolean> {
    const sorted = await lookUp(notifications)
    const hasVerified = sorted.verified.length > 0
    // Graph's notifications are accepted regardless of refused requests from the same address: they may share a proxy.
    if (isLimited && !hasVerified) throw await refusals.tooMany(request)
    if (hasVerified) connections.prove(request.raw.socket)
    else await refusals.count(request)
    await accept(sorted, clientOf(request.raw))
    return hasVerified
  }

  async function lookUp(notifications: readonly GraphNotification[]): Promise<Sorted> {
    const ids = [...new Set(notifications.map(one => one.subscriptionId))]
    let owners: ReadonlyMap<string, MailboxId> = new Map()
    const query = async () => {
      owners = await subscribersOf(redis, keys, ids)
    }
    await (ids.length > FEW_SUBSCRIPTIONS ? inTurn(query) : query())
    return sortOut(notifications, owners)
  }

  async function accept({ verified, unknown, forged }: Sorted, ip: string): Promise<void> {
    if (forged.length > 0) {
      const names = [...new Set(forged)]
      const facts = { ip, mailboxes: names.length, mailbox: names[0] }
      const text = 'dropped notifications with a wrong clientState'
      limitedLog.report({ level: 'warn', text, count: forged.length, facts })
    }
    if (unknown > 0) {
      const text = 'accepted and dropped notifications of unknown subscriptions'
      limitedLog.report({ level: 'warn', text, count: unknown, facts: { ip } })
      await countUnknown(redis, keys, unknown)
    }
    await Promise.all(verified.map(apply))
  }

  function sortOut(notifications: readonly GraphNotification[], owners: ReadonlyMap<string, MailboxId>): Sorted {
    const verified = new Map<MailboxId, Verified>()
    const checks = new Map<MailboxId, (given: string) => boolean>()
    const forged: MailboxId[] = []
    let unknown = 0
    for (const notification of notifications) {
      const mailbox = owners.get(notification.subscriptionId)
      if (mailbox === undefined) {
        unknown += 1
        continue
      }
      const isRight = checks.get(mailbox) ?? clientStateCheck(clientStateKeys, mailbox)
      checks.set(mailbox, isRight)
      if (!isRight(notification.clientState)) forged.push(mailbox)
      else {
        const known = verified.get(mailbox) ?? { mailbox, notifications: [] }
        known.notifications.push(notification)
        verified.set(mailbox, known)
      }
    }
    return { verified: [...verified.values()], unknown, forged }
  }

  async function apply({ mailbox, notifications }: Verified): Promise<void> {
    for (const { subscriptionId, lifecycle = '' } of notifications) {
      const due = LIFECYCLE_ACTIONS.get(lifecycle)
      if (!due) continue
      await markDue(redis, keys, subscriptionId, due)
      log.info({ mailbox, lifecycle }, 'subscription needs attention; the keeper handles it in its next round')
    }
    // A subscription that only needs reauthorization has lost no notification yet.
    if (notifications.every(({ lifecycle = '' }) => LIFECYCLE_ACTIONS.get(lifecycle) === 'renew')) return
    // Without a unique name a random one: an extra check costs one call, a missed check would lose mail.
    const name = nameOfNotifications(notifications) ?? uuid()
    const created = [...new Set(notifications.flatMap(one => one.created ?? []))].slice(0, MAX_CREATED)
    await receiver.announce(mailbox, `outlook:${name}`, created)
  }
}

// The token must stay plain text for any other client (learn.microsoft.com/graph/change-notifications-delivery-webhooks#notificationurl-validation).
function answerValidation(reply: FastifyReply, token: unknown): FastifyReply {
  if (typeof token !== 'string' || token === '' || token.length > MAX_TOKEN_LENGTH) {
    throw new MailError('unparsable', `validationToken must be one value of 1 to ${MAX_TOKEN_LENGTH} characters`)
  }
  return reply.code(200).header('x-content-type-options', 'nosniff').type('text/plain; charset=utf-8').send(token)
}
