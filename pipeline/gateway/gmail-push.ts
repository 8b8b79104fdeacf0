import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { asMailError, MailError } from '../../shared/error.ts'
import { type Notification, readNotification } from '../../shared/gmail/notification.ts'
import type { EndpointContext } from './endpoint.ts'
import { inTime, parsed } from './post.ts'
import type { Verify } from './verify.ts'

/** How pushes are met: at the gateway's desk, once they are verified. */
export interface GmailPushOptions extends EndpointContext {
  /** `undefined` where it is not set whose pushes are to be believed: then all are refused. */
  verify: Verify | undefined
}

const PATH = '/gmail/push'
// A notification has some hundred bytes.
const BODY_LIMIT_BYTES = 16 * 1024
const LONGEST_ID = 200
// Pub/Sub waits ten seconds for an answer; said in time, it comes again sooner.
const ANSWER_WITHIN_MS = 5000

const UNSET =
  'pushes cannot be verified, so none is accepted: set GMAIL_PUSH_AUDIENCE and GMAIL_PUSH_SERVICE_ACCOUNT as in the Pub/Sub subscription'
const NO_PUSH = 'not a Pub/Sub push: it holds no message with data, and is no Gmail notification either'

const id = z.string().min(1).max(LONGEST_ID).optional().catch(undefined)
const publishTime = z.string().max(LONGEST_ID).optional().catch(undefined)
// The emulator and older libraries write message_id. cloud.google.com/pubsub/docs/push#receive_push
const push = z.object({
  message: z.object({ data: z.string(), messageId: id, message_id: id, publishTime }),
})
// A subscription with payload unwrapping may say the same in headers. cloud.google.com/pubsub/docs/payload-unwrapping
const unwrapped = z.object({ 'x-goog-pubsub-message-id': id, 'x-goog-pubsub-publish-time': publishTime })

/** What a push says: the notification or why it is none, and what of it is kept then. */
interface Pushed {
  notification: Notification | MailError
  messageId: string | undefined
  publishTime: string | undefined
  fields: Record<string, string>
}

/**
 * Adds where Pub/Sub pushes Gmail's notifications to, wrapped or with payload unwrapping. A push is answered with 204 once it is in
 * Redis, or was before; also when it is about an unknown mailbox, tells nothing new, or cannot be read, for it would come again for
 * ever. Anything else makes it come again: 401 when it is not Google's, 413, 503 when Redis or the keys are away, and 429 instead of 401
 * when too many of its address were refused.
 */
export function addGmailPush(http: FastifyInstance, options: GmailPushOptions): void {
  const { verify, reception, refusals, telling, connections, clientOf, now } = options

  http.post(
    PATH,
    {
      bodyLimit: BODY_LIMIT_BYTES,
      // Before the body is read.
      preParsing: async (request, _, payload) => {
        await believe(request)
        return payload
      },
    },
    async (request, reply) => {
      await inTime(enter(String(request.body ?? ''), request), ANSWER_WITHIN_MS)
      return reply.code(204).send()
    },
  )

  // What is Google's is taken in whatever others send from the same address: they may share a proxy.
  async function believe(request: FastifyRequest): Promise<void> {
    if (!verify) throw new MailError('misconfigured', UNSET)
    const isOver = await refusals.isOver(request)
    const error = await verify(request.headers.authorization, { keysAtHand: isOver }).then(() => undefined, asMailError)
    if (!error) return connections.prove(request.raw.socket)
    if (isOver) throw await refusals.tooMany(request)
    if (error.kind === 'unauthorized') {
      const facts = { reason: error.message, ip: clientOf(request.raw) }
      telling.tell({ level: 'warn', text: 'a push was refused', kind: error.message, facts })
    } else {
      const text = 'a push cannot be verified; it comes again'
      telling.tell({ level: 'error', text, facts: { error: error.message } })
    }
    throw error
  }

  async function enter(text: string, { headers }: FastifyRequest): Promise<void> {
    const { notification, messageId, publishTime, fields } = readPush(text, headers)
    if (notification instanceof MailError) return reception.deadLetter(fields, notification)
    const publishedAt = Date.parse(publishTime ?? '')
    const at = Number.isNaN(publishedAt) || publishedAt < 0 ? now() : publishedAt
    await reception.take(notification, { id: messageId ?? `${notification.mailbox}/${notification.historyId}`, at })
  }
}

function readPush(text: string, headers: FastifyRequest['headers']): Pushed {
  const body = parsed(text)
  const message = push.safeParse(body).data?.message
  if (message) {
    const { data, messageId = message.message_id, publishTime } = message
    const fields = { data, ...(messageId === undefined ? {} : { messageId }) }
    return { notification: attempt(() => readNotification({ data })), messageId, publishTime, fields }
  }
  const { 'x-goog-pubsub-message-id': messageId, 'x-goog-pubsub-publish-time': publishTime } = unwrapped.parse(headers)
  const notification = attempt(() => readNotification(body))
  return {
    notification: notification instanceof MailError ? new MailError('unparsable', NO_PUSH) : notification,
    messageId,
    publishTime,
    fields: { body: text },
  }
}

function attempt<T>(read: () => T): T | MailError {
  try {
    return read()
  } catch (error) {
    return asMailError(error)
  }
}
