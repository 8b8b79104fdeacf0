import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { asMailError, MailError } from '../../shared/error.ts'
import { type Notification, readNotification } from '../../shared/gmail/notification.ts'
import type { EndpointContext } from './endpoint.ts'
import { inTime, parsed } from './post.ts'
import type { Verify } from './verify.ts'

/** The options of the Gmail push endpoint. */
export interface GmailPushOptions extends EndpointContext {
  /** Verifies the sender; `undefined` when no setting names one, and then all pushes are refused. */
  verify: Verify | undefined
}

const PATH = '/gmail/push'
// A notification has a few hundred bytes.
const BODY_LIMIT_BYTES = 16 * 1024
const MAX_ID_LENGTH = 200
// Pub/Sub waits ten seconds for an answer; an early refusal makes it retry sooner.
const ANSWER_WITHIN_MS = 5000

const UNSET =
  'pushes cannot be verified, so all are refused: set GMAIL_PUSH_AUDIENCE and GMAIL_PUSH_SERVICE_ACCOUNT as in the Pub/Sub subscription'
const NO_PUSH = 'not a Pub/Sub push: it holds no message with data, and is not a Gmail notification either'

const id = z.string().min(1).max(MAX_ID_LENGTH).optional().catch(undefined)
const publishTime = z.string().max(MAX_ID_LENGTH).optional().catch(undefined)
// The emulator and older libraries write message_id. cloud.google.com/pubsub/docs/push#receive_push
const push = z.object({
  message: z.object({ data: z.string(), messageId: id, message_id: id, publishTime }),
})
// A subscription with payload unwrapping may send both as headers. cloud.google.com/pubsub/docs/payload-unwrapping
const unwrapped = z.object({ 'x-goog-pubsub-message-id': id, 'x-goog-pubsub-publish-time': publishTime })

/** A parsed push: the notification or its error, and the fields that a dead letter keeps. */
interface ParsedPush {
  notification: Notification | MailError
  messageId: string | undefined
  publishTime: string | undefined
  fields: Record<string, string>
}

/**
 * Adds the endpoint for Gmail's Pub/Sub pushes, wrapped or with payload unwrapping. Answers 204 once a push is in Redis, or was before;
 * also for unknown mailboxes, stale and unreadable pushes, because Pub/Sub would retry them forever. Any other answer makes Pub/Sub
 * retry: 401 when the sender is not Google, 413, 503 when Redis or the keys are unavailable, and 429 instead of 401 when too many
 * requests of the address were refused.
 */
export function addGmailPush(http: FastifyInstance, options: GmailPushOptions): void {
  const { verify, receiver, refusals, limitedLog, connections, clientOf, now, machine } = options

  http.post(
    PATH,
    {
      bodyLimit: BODY_LIMIT_BYTES,
      // Verification comes before the body is read.
      preParsing: async (request, _, payload) => {
        await authenticate(request)
        return payload
      },
    },
    async (request, reply) => {
      await inTime(accept(String(request.body ?? ''), request), ANSWER_WITHIN_MS, machine)
      return reply.code(204).send()
    },
  )

  // Google's pushes are accepted regardless of refused requests from the same address: they may share a proxy.
  async function authenticate(request: FastifyRequest): Promise<void> {
    if (!verify) throw new MailError('misconfigured', UNSET)
    const isOver = await refusals.isOver(request)
    const error = await verify(request.headers.authorization, { cachedKeysOnly: isOver }).then(
      () => undefined,
      asMailError,
    )
    if (!error) return connections.prove(request.raw.socket)
    if (isOver) throw await refusals.tooMany(request)
    if (error.kind === 'unauthorized') {
      const facts = { reason: error.message, ip: clientOf(request.raw) }
      limitedLog.report({ level: 'warn', text: 'push refused', kind: error.message, facts })
    } else {
      const text = 'push cannot be verified; Pub/Sub will retry it'
      limitedLog.report({ level: 'error', text, facts: { error: error.message } })
    }
    throw error
  }

  async function accept(text: string, { headers }: FastifyRequest): Promise<void> {
    const { notification, messageId, publishTime, fields } = readPush(text, headers)
    if (notification instanceof MailError) return receiver.deadLetter(fields, notification)
    const publishedAt = Date.parse(publishTime ?? '')
    const at = Number.isNaN(publishedAt) || publishedAt < 0 ? now() : publishedAt
    await receiver.accept(notification, { id: messageId ?? `${notification.mailbox}/${notification.historyId}`, at })
  }
}

function readPush(text: string, headers: FastifyRequest['headers']): ParsedPush {
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
