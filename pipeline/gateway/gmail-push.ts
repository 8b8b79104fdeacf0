import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { asMailError, MailError } from '../../shared/error.ts'
import { readNotification } from '../../shared/gmail/notification.ts'
import type { Log } from '../log.ts'
import { atMost, inTime, MINUTE_MS, parsed } from './post.ts'
import type { Reception } from './reception.ts'
import type { Verify } from './verify.ts'

/** How pushes are met. */
export interface GmailPushOptions {
  /** `undefined` where it is not set whose pushes are to be believed: then all are refused. */
  verify: Verify | undefined
  reception: Reception
  now: () => number
  /** Requests a minute and address. */
  rateLimit: number
  log: Log
}

const PATH = '/gmail/push'
// A notification has some hundred bytes.
const BODY_LIMIT_BYTES = 64 * 1024
const REFUSALS_TOLD_A_MINUTE = 60
// Pub/Sub waits ten seconds for an answer; said in time, it comes again sooner.
const ANSWER_WITHIN_MS = 5000

const UNSET =
  'pushes cannot be verified, so none is accepted: set GMAIL_PUSH_AUDIENCE and GMAIL_PUSH_SERVICE_ACCOUNT as in the Pub/Sub subscription'

// The emulator and older libraries write message_id. cloud.google.com/pubsub/docs/push#receive_push
const push = z.object({
  message: z.object({
    data: z.string(),
    messageId: z.string().min(1).max(200).optional(),
    message_id: z.string().min(1).max(200).optional(),
    publishTime: z.string().optional(),
  }),
})

/**
 * Adds where Pub/Sub pushes Gmail's notifications to. A push is answered with 204 once it is in Redis, or was before; also when it is
 * about an unknown mailbox, tells nothing new, or cannot be read, for it would come again for ever. Anything else makes it come again:
 * 401 when it is not Google's, 413, 429, and 503 when Redis or the keys are away.
 */
export function addGmailPush(app: FastifyInstance, options: GmailPushOptions): void {
  const { verify, reception, now, log } = options
  const tell = atMost(REFUSALS_TOLD_A_MINUTE, now)

  app.post(
    PATH,
    {
      bodyLimit: BODY_LIMIT_BYTES,
      config: { rateLimit: { max: options.rateLimit, timeWindow: MINUTE_MS } },
      // Behind the rate limit, before the body is read.
      preParsing: async (request, _, payload) => {
        await believe(request)
        return payload
      },
    },
    async (request, reply) => {
      await inTime(enter(String(request.body ?? '')), ANSWER_WITHIN_MS)
      return reply.code(204).send()
    },
  )

  async function believe(request: FastifyRequest): Promise<void> {
    if (!verify) throw new MailError('misconfigured', UNSET)
    await verify(request.headers.authorization).catch((error: MailError) => {
      if (error.kind !== 'unauthorized')
        log.error({ error: error.message }, 'a push cannot be verified; it comes again')
      else tell(() => log.warn({ reason: error.message, ip: request.ip }, 'a push was refused'))
      throw error
    })
  }

  async function enter(text: string): Promise<void> {
    const message = push.safeParse(parsed(text)).data?.message
    if (!message) {
      return reception.bury(
        { body: text },
        new MailError('unparsable', 'not a Pub/Sub push: it holds no message with data'),
      )
    }
    const { data, messageId = message.message_id, publishTime } = message
    const notification = attempt(() => readNotification({ data }))
    if (notification instanceof MailError) {
      return reception.bury({ data, ...(messageId === undefined ? {} : { messageId }) }, notification)
    }
    const publishedAt = Date.parse(publishTime ?? '')
    const at = Number.isNaN(publishedAt) || publishedAt < 0 ? now() : publishedAt
    const id = messageId ?? `${notification.mailbox}/${notification.historyId}`
    await reception.take(notification, { id, at })
  }
}

function attempt<T>(read: () => T): T | MailError {
  try {
    return read()
  } catch (error) {
    return asMailError(error)
  }
}
