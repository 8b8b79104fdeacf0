import { randomBytes } from 'node:crypto'
import type { Config } from '../../../shared/config.ts'
import { MailError } from '../../../shared/error.ts'
import { addressOf, type MailboxId, type Opened, parseMailboxId } from '../../../shared/mailbox.ts'
import { connectMailbox, postWatchEvent, resumeMailbox } from '../../../shared/redis/mailboxes.ts'
import { createVault, type Issuer } from '../../../shared/redis/secrets.ts'
import { createSeal } from '../../../shared/seal.ts'
import type { AppContext } from '../../base/app.ts'
import type { CommandContext } from '../../base/command-context.ts'
import { isReadByApplication } from '../account-settings.ts'
import type { Store } from '../store.ts'
import type { Consented, Consenting } from './consenting.ts'
import { listenForConsent } from './loopback.ts'

/** The address to ask for, the port to which the browser returns (0: a free one), and how long to wait. */
export interface ConnectOptions {
  address?: string
  port: number
  timeoutSeconds: number
}

const STATE_BYTES = 24

/**
 * Connects a mailbox with its provider's consent flow: its owner allows access in the browser, the vault seals and keeps the grant, and the
 * first sync is requested. Throws the reason, in one line, where it cannot.
 */
export async function connectWith(
  consenting: Consenting,
  facts: { context: CommandContext; app: AppContext; wanted: MailboxId | undefined; options: ConnectOptions },
): Promise<void> {
  const { context, app, wanted, options } = facts
  const { print, json, signal } = context
  const state = randomBytes(STATE_BYTES).toString('base64url')
  const timeoutMs = options.timeoutSeconds * 1000
  const { host, remedyOf } = consenting
  const { machine } = app.surroundings
  const loopback = await listenForConsent({ host, remedyOf, port: options.port, state, timeoutMs, signal, machine })
  try {
    const { redirectUri } = loopback
    const { url, verifier } = await consenting.ask({ redirectUri, state, address: options.address })
    print(`Open this page in a browser on this machine, and allow mailsluice to read the mailbox:\n\n  ${url}\n`)
    const consented = await consenting.exchange({ code: await loopback.code(), verifier, redirectUri }, signal)
    const { mailbox, opened } = await identify(consenting, { consented, wanted, signal, store: app })
    refuseIfByApplication(app.config, mailbox)
    const { entries, isNew } = await keepAccount(app, mailbox, { consented, opened, issuer: consenting.issuer })
    loopback.finish({ ok: true, text: `${mailbox} is connected. Its mail is read from now on.` })
    const parked = entries > 0 ? `, and ${entries} waiting entries go on` : ''
    print(
      json
        ? JSON.stringify({ mailbox, new: isNew, entries })
        : `${mailbox} is ${isNew ? 'connected' : 'connected again'}${parked}.${nameNote(mailbox, wanted)}`,
    )
  } catch (error) {
    loopback.finish({ ok: false, text: error instanceof MailError ? error.message : 'The terminal says why.' })
    throw error
  } finally {
    await loopback.close()
  }
}

/** Throws `misconfigured` for one of OUTLOOK_MAILBOXES: a grant of its owner would never be used. */
export function refuseIfByApplication(config: Config, mailbox: MailboxId): void {
  if (!isReadByApplication(config, mailbox)) return
  throw new MailError(
    'misconfigured',
    `${mailbox} is one of OUTLOOK_MAILBOXES, which need no consent: \`up\` connects it, or take it off there`,
  )
}

// A grant does not name its mailbox, so the provider is asked.
async function identify(
  { provider, open, isSame = () => false }: Consenting,
  {
    consented,
    wanted,
    signal,
    store,
  }: { consented: Consented; wanted: MailboxId | undefined; signal: AbortSignal; store: Store },
): Promise<{ mailbox: MailboxId; opened: Opened }> {
  const account = { get: async () => consented.access.token, refused: async () => false }
  const opened = await open(wanted ?? `${provider}:me@${provider}.com`, account, store).open({
    signal,
    meter: () => undefined,
  })
  const mailbox = parseMailboxId(`${provider}:${opened.address}`)
  if (wanted === undefined || mailbox === wanted) return { mailbox, opened }
  const names = [opened.address, ...(opened.also ?? [])]
  const given = addressOf(wanted)
  if (names.some(name => name.toLowerCase() === given || isSame(name, given))) return { mailbox, opened }
  throw new MailError(
    'misconfigured',
    `the mailbox was not connected: access was granted to ${mailbox}, not to ${wanted}; run the command again and choose that account, or with --address ${addressOf(mailbox)} where that is the same mailbox`,
  )
}

function nameNote(mailbox: MailboxId, wanted: MailboxId | undefined): string {
  return wanted === undefined || wanted === mailbox
    ? ''
    : ` That is its name from now on, and ${addressOf(wanted)} another address of it.`
}

// The account is kept before any stage can need it.
async function keepAccount(
  { config, redis, keys, now, newRunId }: AppContext,
  mailbox: MailboxId,
  { consented, opened, issuer }: { consented: Consented; opened: Opened; issuer: Issuer },
): Promise<{ entries: number; isNew: boolean }> {
  const seal = createSeal(config.MAILBOXES_KEY)
  await createVault(redis, keys, seal, undefined, () => issuer).put(mailbox, consented)
  const isNew = await connectMailbox(redis, keys, mailbox, opened.cursor, now())
  const entries = isNew ? 0 : await resumeMailbox(redis, keys, mailbox, { now: now() })
  const cause = isNew ? 'first-sync' : 'request'
  await postWatchEvent(redis, keys, mailbox, { run: newRunId(), at: now(), body: { cause } })
  return { entries, isNew }
}
