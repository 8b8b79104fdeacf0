import type { Test } from 'tap'
import { type AppContext, openApp } from '../../pipeline/base/app.ts'
import type { Log } from '../../pipeline/base/log.ts'
import { startGateway } from '../../pipeline/gateway/gateway.ts'
import type { Pace } from '../../pipeline/gateway/pace.ts'
import { readConfig } from '../../shared/config.ts'
import { type Envelope, LANES, parseEnvelope } from '../../shared/envelope.ts'
import type { Cursor, MailboxId } from '../../shared/mailbox.ts'
import { connectMailbox } from '../../shared/redis/mailboxes.ts'
import { type WatchEvent, watchEvents } from '../../shared/streams.ts'
import { AUDIENCE, type GoogleKeys, SERVICE_ACCOUNT } from './google-keys.ts'
import { ANA } from './pipeline.ts'

/** A gateway in the test's process, with Ana's mailbox connected. */
export interface TestGateway {
  app: AppContext
  url: string
  /** Its log, one line an entry: level, fields and text. */
  reported: string[]
  /** Posts to /gmail/push; by default a valid push of Ana's mailbox with a valid token. */
  push(options?: {
    token?: string | undefined
    authorization?: string
    body?: string
    path?: string
  }): Promise<Response>
  stop(): Promise<void>
}

let count = 0

/** Starts a gateway with its own key prefix. */
export async function openGateway(
  t: Test,
  redisUrl: string,
  google: GoogleKeys,
  options: { settings?: Record<string, string>; cursor?: Cursor; pace?: Pace } = {},
): Promise<TestGateway> {
  count += 1
  const config = readConfig({
    REDIS_PREFIX: `gateway${count}`,
    PARTITIONS: '2',
    LEASE_MS: '1000',
    GATEWAY_HOST: '127.0.0.1',
    GMAIL_PUSH_AUDIENCE: AUDIENCE,
    GMAIL_PUSH_SERVICE_ACCOUNT: SERVICE_ACCOUNT,
    GMAIL_PUSH_CERTS_URL: google.certsUrl,
    ...options.settings,
  })
  const app = await openApp(config, redisUrl)
  await connectMailbox(app.redis, app.keys, ANA, options.cursor ?? 'history:1000', 0)
  const reported: string[] = []
  const gateway = await startGateway(app, {
    port: 0,
    ...(options.pace ? { pace: options.pace } : {}),
    log: logTo(reported),
  }).catch(error => {
    app.close()
    throw error
  })
  const url = `http://127.0.0.1:${gateway.port}`
  const stop = async () => {
    await gateway.stop(2000)
    app.close()
  }
  t.teardown(stop)
  return {
    app,
    url,
    reported,
    stop,
    async push({ token, authorization, body = pushOf({ historyId: 1001 }), path = '/gmail/push' } = {}) {
      const bearer = authorization ?? `Bearer ${token ?? (await google.token())}`
      const headers = { 'content-type': 'application/json', ...(bearer === '' ? {} : { authorization: bearer }) }
      return fetch(`${url}${path}`, { method: 'POST', headers, body })
    },
  }
}

let messages = 0

/** Builds a push as Pub/Sub does, with a new message id unless one is given. */
export function pushOf(said: { historyId: number | string; emailAddress?: string; messageId?: string }): string {
  messages += 1
  const { historyId, emailAddress = 'ana@example.com', messageId = `m${messages}` } = said
  const data = Buffer.from(JSON.stringify({ emailAddress, historyId })).toString('base64')
  const message = { data, messageId, message_id: messageId, publishTime: '2026-11-23T09:30:00.125Z' }
  return JSON.stringify({ message, subscription: 'projects/project/subscriptions/gmail' })
}

/** Returns the watch events of a mailbox, oldest first. */
export async function eventsOf(
  { redis, keys }: Pick<AppContext, 'redis' | 'keys'>,
  mailbox: MailboxId = ANA,
): Promise<Envelope<WatchEvent>[]> {
  const entries = await Promise.all(
    LANES.map(lane => redis.xrange(keys.stream(keys.partitionOf(mailbox), watchEvents.name, lane), '-', '+')),
  )
  const events = entries.flat().map(([, fields]) => parseEnvelope(fields[1] ?? '', watchEvents.body))
  return events.filter(event => event.mailbox === mailbox)
}

/** A log that collects its entries, one line each. */
export function logTo(reported: string[]): Log {
  const at =
    (level: string) =>
    (...words: unknown[]) =>
      void reported.push(
        [level, ...words.map(word => (typeof word === 'string' ? word : JSON.stringify(word)))].join(' '),
      )
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
