import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { MailError } from '../../shared/error.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import { clientStateCheck } from '../../shared/outlook/client-state.ts'
import {
  type GraphNotification,
  MOST_NOTIFICATIONS,
  nameOfNotifications,
  noNotification,
  readGraphNotification,
} from '../../shared/outlook/notification.ts'
import { countUnknown } from '../../shared/redis/arrivals.ts'
import { type Due, markDue, subscribersOf } from '../../shared/redis/subscriptions.ts'
import { MOST_CREATED } from '../../shared/streams.ts'
import { OUTLOOK_PATHS } from '../accounts/outlook-notify.ts'
import type { AppContext } from '../base/app.ts'
import type { Log } from '../base/log.ts'
import { oneAtATime } from '../runtime/one-at-a-time.ts'
import { createBodyReader } from './body.ts'
import type { EndpointContext } from './endpoint.ts'
import { openItemReader } from './items.ts'
import { inTime } from './post.ts'

/** How Graph's notifications are met. */
export interface OutlookPushOptions extends EndpointContext {
  app: Pick<AppContext, 'redis' | 'keys'>
  /** The keys of clientStates; without any, nothing is believed. */
  clientStateKeys: readonly Buffer[]
  log: Log
}

/** What is to be done for one mailbox of a POST. */
interface Reported {
  mailbox: MailboxId
  notifications: GraphNotification[]
}

/** The notifications of a POST by what they are worth. */
interface Sorted {
  reported: Reported[]
  unknown: number
  forged: MailboxId[]
}

// Graph posts up to a thousand at once when much changes, each of somewhat less than 900 bytes.
const BODY_LIMIT_BYTES = MOST_NOTIFICATIONS * 900
const MOST_ITEM_BYTES = 8 * 1024
const MOST_HELD_BYTES = 16 * 1024 * 1024
// Once an address has had too much refused, no more of it is read than what Graph ordinarily sends.
const LATE_BODY_LIMIT_BYTES = 16 * 1024
// So many subscriptions are looked up at any time; more of them one POST at a time, for others wait for Redis as well.
const FEW_SUBSCRIPTIONS = 50
const LONGEST_TOKEN = 2048
// Graph waits three seconds, and gives up endpoints that are slow (learn.microsoft.com/graph/change-notifications-delivery-webhooks).
const ANSWER_WITHIN_MS = 2500

const UNSET = 'notifications cannot be verified, so none is accepted: set MAILBOXES_KEY or OUTLOOK_CLIENT_STATE'

// What is to be done to the subscription itself (learn.microsoft.com/graph/change-notifications-lifecycle-events).
const REMEDIES: ReadonlyMap<string, Due> = new Map([
  ['reauthorizationRequired', 'renew'],
  ['subscriptionRemoved', 'removed'],
])

/**
 * Adds where Graph posts notifications and what becomes of its subscriptions. A POST is answered with 202 once all that is believed of
 * it is in Redis, 400 when it is no notification, 413, and 503 when Redis is away: Graph repeats for up to four hours what is not
 * answered with 2xx. Nothing is done yet: a changed mailbox is looked at by the stages, a subscription is seen to by the keeper.
 *
 * What is not believed is answered with 202 as well. A 401 would have Graph repeat for hours what an old secret was put on, and would
 * tell a stranger which subscriptions exist; so a wrong clientState looks just like a subscription that nobody knows. It counts as
 * refused all the same, and when too many of its address were, it is answered with 429 instead.
 */
export function addOutlookPush(http: FastifyInstance, options: OutlookPushOptions): void {
  const { app, reception, refusals, telling, connections, clientOf, clientStateKeys, log } = options
  const { redis, keys } = app
  const readBody = createBodyReader(MOST_HELD_BYTES)
  const inTurn = oneAtATime()

  void http.register(async scope => {
    // Items are looked at while they come, so that no body is parsed as a whole.
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', async () => undefined)
    for (const path of Object.values(OUTLOOK_PATHS)) {
      scope.post<{ Querystring: { validationToken?: unknown } }>(path, async (request, reply) => {
        const { validationToken } = request.query
        if (validationToken !== undefined) return shakeHands(reply, validationToken)
        if (clientStateKeys.length === 0) throw new MailError('misconfigured', UNSET)
        const isLate = await refusals.isOver(request)
        const notifications = await readOrTell(request, isLate)
        await inTime(meet(notifications, request, isLate), ANSWER_WITHIN_MS)
        return reply.code(202).send()
      })
    }
  })

  async function readOrTell(request: FastifyRequest, isLate: boolean): Promise<GraphNotification[]> {
    try {
      return await read(request, isLate ? LATE_BODY_LIMIT_BYTES : BODY_LIMIT_BYTES)
    } catch (error) {
      if (isLate) throw await refusals.tooMany(request)
      if (error instanceof MailError && error.kind === 'unparsable') {
        const facts = { ip: clientOf(request.raw) }
        telling.tell({ level: 'warn', text: 'what was posted is no notification; it was refused', facts })
      }
      throw error
    }
  }

  async function read({ raw, headers }: FastifyRequest, limit: number): Promise<GraphNotification[]> {
    const reader = openItemReader({
      what: 'Graph notification',
      mostItems: MOST_NOTIFICATIONS,
      mostItemBytes: MOST_ITEM_BYTES,
      read: readGraphNotification,
    })
    await readBody(raw, { limit, length: Number(headers['content-length'] ?? 0), take: reader.write })
    const notifications = reader.end()
    if (notifications.length === 0) throw noNotification()
    return notifications
  }

  async function meet(
    notifications: readonly GraphNotification[],
    request: FastifyRequest,
    isLate: boolean,
  ): Promise<void> {
    const sorted = await lookUp(notifications)
    const isBelieved = sorted.reported.length > 0
    // What is Graph's is taken in whatever others send from the same address: they may share a proxy.
    if (isLate && !isBelieved) throw await refusals.tooMany(request)
    if (isBelieved) connections.prove(request.raw.socket)
    else await refusals.count(request)
    await enter(sorted, clientOf(request.raw))
  }

  async function lookUp(notifications: readonly GraphNotification[]): Promise<Sorted> {
    const ids = [...new Set(notifications.map(one => one.subscriptionId))]
    let owners: ReadonlyMap<string, MailboxId> = new Map()
    const ask = async () => {
      owners = await subscribersOf(redis, keys, ids)
    }
    await (ids.length > FEW_SUBSCRIPTIONS ? inTurn(ask) : ask())
    return sortOut(notifications, owners)
  }

  async function enter({ reported, unknown, forged }: Sorted, ip: string): Promise<void> {
    if (forged.length > 0) {
      const names = [...new Set(forged)]
      const facts = { ip, mailboxes: names.length, mailbox: names[0] }
      const text = 'notifications without the right clientState were dropped'
      telling.tell({ level: 'warn', text, count: forged.length, facts })
    }
    if (unknown > 0) {
      const text = 'notifications of unknown subscriptions are accepted and dropped'
      telling.tell({ level: 'warn', text, count: unknown, facts: { ip } })
      await countUnknown(redis, keys, unknown)
    }
    await Promise.all(reported.map(act))
  }

  function sortOut(notifications: readonly GraphNotification[], owners: ReadonlyMap<string, MailboxId>): Sorted {
    const reported = new Map<MailboxId, Reported>()
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
        const known = reported.get(mailbox) ?? { mailbox, notifications: [] }
        known.notifications.push(notification)
        reported.set(mailbox, known)
      }
    }
    return { reported: [...reported.values()], unknown, forged }
  }

  async function act({ mailbox, notifications }: Reported): Promise<void> {
    for (const { subscriptionId, lifecycle = '' } of notifications) {
      const due = REMEDIES.get(lifecycle)
      if (!due) continue
      await markDue(redis, keys, subscriptionId, due)
      log.info({ mailbox, lifecycle }, 'the subscription is to be seen to; the keeper does it in its next round')
    }
    // A subscription that only has to be authorised again has lost nothing yet.
    if (notifications.every(({ lifecycle = '' }) => REMEDIES.get(lifecycle) === 'renew')) return
    // Where others could be the same word for word, a look too many costs a call; a look too few would lose mail.
    const name = nameOfNotifications(notifications) ?? randomUUID()
    const created = [...new Set(notifications.flatMap(one => one.created ?? []))].slice(0, MOST_CREATED)
    await reception.look(mailbox, `outlook:${name}`, created)
  }
}

// Read by anything but Graph, it is still text (learn.microsoft.com/graph/change-notifications-delivery-webhooks#notificationurl-validation).
function shakeHands(reply: FastifyReply, token: unknown): FastifyReply {
  if (typeof token !== 'string' || token === '' || token.length > LONGEST_TOKEN) {
    throw new MailError('unparsable', `validationToken must be one text of 1 to ${LONGEST_TOKEN} characters`)
  }
  return reply.code(200).header('x-content-type-options', 'nosniff').type('text/plain; charset=utf-8').send(token)
}
