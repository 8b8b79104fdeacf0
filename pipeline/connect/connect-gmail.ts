import { randomBytes } from 'node:crypto'
import { MailError } from '../../shared/error.ts'
import { askConsent, exchangeCode, GMAIL_SCOPE, type Granted, type OAuthApp } from '../../shared/gmail/oauth.ts'
import { type MailboxId, type Opened, parseMailboxId } from '../../shared/mailbox.ts'
import { connectMailbox, postWatchEvent, resumeMailbox } from '../../shared/redis/mailboxes.ts'
import { createVault } from '../../shared/redis/secrets.ts'
import { createSeal } from '../../shared/seal.ts'
import type { CommandContext } from '../commands.ts'
import { createLog } from '../log.ts'
import { oauthApp } from '../oauth-app.ts'
import { openGmail } from '../providers.ts'
import { findEmbeddedRedis } from '../redis-server.ts'
import { openRedisServer, type RedisServer } from '../redis-source.ts'
import { findSimulator } from '../simulator.ts'
import { type Office, openOffice } from '../wire.ts'
import { listenForConsent } from './loopback.ts'

/** Whom to ask, where the browser is to come back to (0: a free port), and how long to wait. */
export interface ConnectOptions {
  address?: string
  port: number
  timeoutSeconds: number
}

const STATE_BYTES = 24

/**
 * Connects a Gmail mailbox: its owner allows it in the browser, the refresh token is sealed and kept, and the first sync is asked for. A
 * mailbox that is connected already gets the new grant, and goes on if it was waiting for its account. Throws, in one line, what was in the way.
 */
export async function connectGmail(context: CommandContext, options: ConnectOptions): Promise<void> {
  const { config } = context
  const wanted = options.address === undefined ? undefined : parseMailboxId(`gmail:${options.address}`)
  if (config.MAILBOXES_KEY.length === 0) {
    throw new MailError(
      'misconfigured',
      'MAILBOXES_KEY is not set: set it to a key of your own, such as `openssl rand -base64 32` prints, here and for every process',
    )
  }
  const simUrl = await findSimulator(config)
  const app = oauthApp(config, simUrl)
  // Whatever is wrong here is found before a person is bothered.
  await withKeptRedis(context, async office => {
    const granted = await consent(context, app, options)
    try {
      const { mailbox, opened } = await identify(context, { granted, simUrl, wanted })
      const { entries, isNew } = await keep(office, mailbox, { granted, opened })
      granted.finish({ ok: true, text: `${mailbox} is connected. Its mail is read from now on.` })
      const parked = entries > 0 ? `, and ${entries} waiting entries go on` : ''
      context.print(
        context.json
          ? JSON.stringify({ mailbox, new: isNew, entries })
          : `${mailbox} is ${isNew ? 'connected' : 'connected again'}${parked}.`,
      )
    } catch (error) {
      granted.finish({ ok: false, text: error instanceof MailError ? error.message : 'The terminal says why.' })
      throw error
    } finally {
      await granted.close()
    }
  })
}

/** What an owner granted, while the browser still waits to be told. */
interface Consented {
  refreshToken: string
  tokens: Granted
  finish: (outcome: { ok: boolean; text: string }) => void
  close: () => Promise<void>
}

async function consent(context: CommandContext, app: OAuthApp, options: ConnectOptions): Promise<Consented> {
  const { signal, print } = context
  const state = randomBytes(STATE_BYTES).toString('base64url')
  const timeoutMs = options.timeoutSeconds * 1000
  const loopback = await listenForConsent({ port: options.port, state, timeoutMs, signal })
  const { finish, close, redirectUri } = loopback
  try {
    const { url, verifier } = await askConsent(app, { redirectUri, state, address: options.address })
    print(`Open this page in a browser on this machine, and allow mailsluice to read the mailbox:\n\n  ${url}\n`)
    const code = await loopback.code()
    const tokens = await exchangeCode(app, { code, verifier, redirectUri })
    const { refreshToken, scopes } = tokens
    if (!scopes.includes(GMAIL_SCOPE)) {
      throw new MailError(
        'unauthorized',
        'the mailbox was not connected: reading mail was not allowed; run the command again and tick that box',
      )
    }
    if (refreshToken === undefined) {
      throw new MailError(
        'unauthorized',
        'the mailbox was not connected: Google gave no refresh token; take access back at https://myaccount.google.com/permissions and run the command again',
      )
    }
    return { refreshToken, tokens, finish, close }
  } catch (error) {
    finish({ ok: false, text: error instanceof MailError ? error.message : 'The terminal says why.' })
    await close()
    throw error
  }
}

// What was granted says nothing of whose mailbox it is: Google is asked.
async function identify(
  { config, signal }: CommandContext,
  { granted, simUrl, wanted }: { granted: Consented; simUrl: string | undefined; wanted: MailboxId | undefined },
): Promise<{ mailbox: MailboxId; opened: Opened }> {
  const account = { get: async () => granted.tokens.accessToken, refused: async () => false }
  const provider = openGmail(config, simUrl, wanted ?? 'gmail:me@gmail.com', account)
  const opened = await provider.open({ signal, meter: () => undefined })
  const mailbox = parseMailboxId(`gmail:${opened.address}`)
  if (wanted === undefined || mailbox === wanted) return { mailbox, opened }
  throw new MailError(
    'misconfigured',
    `the mailbox was not connected: access was granted to ${mailbox}, not to ${wanted}; run the command again and choose that account`,
  )
}

// The account is there before anybody can need it.
async function keep(
  { config, redis, keys, now, newRunId }: Office,
  mailbox: MailboxId,
  { granted: { refreshToken, tokens }, opened }: { granted: Consented; opened: Opened },
): Promise<{ entries: number; isNew: boolean }> {
  const access = { token: tokens.accessToken, givenAt: tokens.givenAt, endsAt: tokens.endsAt }
  await createVault(redis, keys, createSeal(config.MAILBOXES_KEY)).put(mailbox, { refreshToken, access })
  const isNew = await connectMailbox(redis, keys, mailbox, opened.cursor, now())
  const entries = isNew ? 0 : await resumeMailbox(redis, keys, mailbox, { now: now() })
  const cause = isNew ? 'first-sync' : 'request'
  await postWatchEvent(redis, keys, mailbox, { run: newRunId(), at: now(), body: { cause } })
  return { entries, isNew }
}

// An account that is forgotten when the command ends would be connected in vain.
async function withKeptRedis(context: CommandContext, work: (office: Office) => Promise<void>): Promise<void> {
  const { config } = context
  const running = config.REDIS_URL === undefined ? await findEmbeddedRedis(config.DATA_DIR) : undefined
  const server: RedisServer = running
    ? { ...running, stop: async () => undefined }
    : await openRedisServer(config, createLog(config, 'connect'))
  let office: Office | undefined
  try {
    if (!running && !server.durable) {
      throw new MailError(
        'misconfigured',
        'there is no Redis that would keep the account: install redis-server 7.0 or newer, or set REDIS_URL',
      )
    }
    office = await openOffice(config, server.url)
    await work(office)
  } finally {
    office?.close()
    await server.stop()
  }
}
