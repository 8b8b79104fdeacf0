import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { MailError } from '../../shared/error.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import { isClientState } from '../../shared/outlook/client-state.ts'
import {
  type GraphNotification,
  nameOfNotifications,
  readGraphNotifications,
} from '../../shared/outlook/notification.ts'
import { countUnknown } from '../../shared/redis/arrivals.ts'
import { type Due, markDue, subscribersOf } from '../../shared/redis/subscriptions.ts'
import { MOST_CREATED } from '../../shared/streams.ts'
import type { Log } from '../log.ts'
import { OUTLOOK_PATHS } from '../outlook-notify.ts'
import type { Office } from '../wire.ts'
import { atMost, inTime, MINUTE_MS, parsed } from './post.ts'
import type { Reception } from './reception.ts'

/** How Graph's notifications are met. */
export interface OutlookPushOptions {
  office: Pick<Office, 'redis' | 'keys' | 'now'>
  reception: Reception
  /** The keys of clientStates; without any, nothing is believed. */
  clientStateKeys: readonly Buffer[]
  /** Requests a minute and address. */
  rateLimit: number
  log: Log
}

/** What is to be done for one mailbox of a POST. */
interface Told {
  mailbox: MailboxId
  notifications: GraphNotification[]
}

// Graph posts many at once when much changes, each of somewhat less than a kibibyte.
const BODY_LIMIT_BYTES = 1024 * 1024
const LONGEST_TOKEN = 2048
const REFUSALS_TOLD_A_MINUTE = 60
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
 * it is in Redis, 400 when it is no notification, 413, 429, and 503 when Redis is away: Graph repeats for up to four hours what is not
 * answered with 2xx. Nothing is done yet: a changed mailbox is looked at by the stages, a subscription is seen to by the keeper.
 *
 * What is not believed is answered with 202 as well. A 401 would have Graph repeat for hours what an old secret was put on, and would
 * tell a stranger which subscriptions exist; so a wrong clientState looks just like a subscription that nobody knows.
 */
export function addOutlookPush(app: FastifyInstance, options: OutlookPushOptions): void {
  const { office, reception, clientStateKeys, log } = options
  const { redis, keys, now } = office
  const tell = atMost(REFUSALS_TOLD_A_MINUTE, now)
  const tellOfUnknown = atMost(1, now)

  for (const path of Object.values(OUTLOOK_PATHS)) {
    app.post<{ Querystring: { validationToken?: unknown } }>(
      path,
      { bodyLimit: BODY_LIMIT_BYTES, config: { rateLimit: { max: options.rateLimit, timeWindow: MINUTE_MS } } },
      async (request, reply) => {
        const { validationToken } = request.query
        if (validationToken !== undefined) return shakeHands(reply, validationToken)
        if (clientStateKeys.length === 0) throw new MailError('misconfigured', UNSET)
        const notifications = readOrTell(String(request.body ?? ''), request.ip)
        await inTime(enter(notifications, request.ip), ANSWER_WITHIN_MS)
        return reply.code(202).send()
      },
    )
  }

  function readOrTell(text: string, ip: string): GraphNotification[] {
    try {
      return readGraphNotifications(parsed(text))
    } catch (error) {
      tell(() => log.warn({ ip }, 'what was posted is no notification; it was refused'))
      throw error
    }
  }

  async function enter(notifications: readonly GraphNotification[], ip: string): Promise<void> {
    const owners = await subscribersOf(redis, keys, [...new Set(notifications.map(one => one.subscriptionId))])
    const { told, unknown, forged } = sortOut(notifications, owners)
    if (forged.length > 0) {
      const names = [...new Set(forged)]
      const facts = { ip, count: forged.length, mailboxes: names.length, mailbox: names[0] }
      tell(() => log.warn(facts, 'notifications without the right clientState were dropped'))
    }
    if (unknown > 0) {
      tellOfUnknown(() =>
        log.warn({ ip, count: unknown }, 'notifications of unknown subscriptions are accepted and dropped'),
      )
      await countUnknown(redis, keys, unknown)
    }
    await Promise.all(told.map(act))
  }

  function sortOut(notifications: readonly GraphNotification[], owners: ReadonlyMap<string, MailboxId>) {
    const told = new Map<MailboxId, Told>()
    const forged: MailboxId[] = []
    let unknown = 0
    for (const notification of notifications) {
      const mailbox = owners.get(notification.subscriptionId)
      if (mailbox === undefined) unknown += 1
      else if (!isClientState(clientStateKeys, mailbox, notification.clientState)) forged.push(mailbox)
      else {
        const known = told.get(mailbox) ?? { mailbox, notifications: [] }
        known.notifications.push(notification)
        told.set(mailbox, known)
      }
    }
    return { told: [...told.values()], unknown, forged }
  }

  async function act({ mailbox, notifications }: Told): Promise<void> {
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
