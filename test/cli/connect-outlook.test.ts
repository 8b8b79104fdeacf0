import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { connectWith } from '../../pipeline/accounts/consent/connect.ts'
import { outlookConsent } from '../../pipeline/accounts/consent/outlook.ts'
import { openApp } from '../../pipeline/base/app.ts'
import { readConfig } from '../../shared/config.ts'
import type { Mailbox } from '../../shared/mailbox.ts'
import { createKeys } from '../../shared/redis/keys.ts'
import { createVault } from '../../shared/redis/secrets.ts'
import { createSeal } from '../../shared/seal.ts'
import { sealingKey, startConnecting } from '../support/consent.ts'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { everything } from '../support/keyspace.ts'
import { type MicrosoftServer, startMicrosoft } from '../support/microsoft.ts'
import { inTurn, lastJson, run } from '../support/processes.ts'
import { startRedis } from '../support/redis.ts'
import { contextFor } from '../support/surroundings.ts'
import { until } from '../support/until.ts'

const BO = 'outlook:bo@example.com'
const keys = createKeys('mailsluice', 1)

t.test('Outlook consent uses PKCE and prints no secret', async t => {
  const { microsoft, environment } = await setUp(t)
  const connecting = await startConnecting(environment, ['--address', 'Bo@example.com'], 'outlook')
  const asked = Object.fromEntries(new URL(connecting.url).searchParams)
  t.match(asked, {
    client_id: 'client',
    response_type: 'code',
    login_hint: 'Bo@example.com',
    code_challenge_method: 'S256',
    code_challenge: /^[\w-]{43}$/,
    state: /^[\w-]{32}$/,
    redirect_uri: /^http:\/\/localhost:\d+$/,
  })
  const { page, finished } = await connecting.consent()
  t.match(microsoft.asked, [
    {
      path: '/common/oauth2/v2.0/token',
      form: { grant_type: 'authorization_code', code: microsoft.codes[0], redirect_uri: asked.redirect_uri ?? '' },
    },
  ])
  t.equal(microsoft.refreshTokens.length, 1, 'the code was good, and its verifier')
  t.notMatch(finished.stdout + finished.stderr + page, /planted/)
})

t.test('a refused consent is reported in one line and in the browser', async t => {
  const { microsoft, redis, environment } = await setUp(t)
  const bo = { address: 'bo@example.com' }
  const cases: [consents: MicrosoftServer['consents'], secret: string | undefined, code: number, says: RegExp][] = [
    [{ ...bo, denied: true }, undefined, 1, /access was not granted \(access_denied\)/],
    [
      { ...bo, denied: true, said: 'AADSTS90094: planted has to be approved by an administrator.' },
      undefined,
      1,
      /access was not granted \(access_denied\); AADSTS90094; an administrator of the organization .*adminconsent\?client_id=ID/,
    ],
    [{ ...bo, scope: 'Mail.ReadBasic User.Read' }, undefined, 1, /reading mail was not allowed; .*Mail\.Read/],
    [{ ...bo, withoutRefreshToken: true }, undefined, 1, /Microsoft gave no refresh token/],
    [bo, 'planted-secret', 2, /AADSTS7000218; the app is not a public client: set OUTLOOK_CLIENT_SECRET/],
  ]
  for (const [consents, secret, code, says] of cases) {
    Object.assign(microsoft, { consents, clientSecret: secret })
    const { status, page, finished } = await (await startConnecting(environment, [], 'outlook')).consent()
    t.equal(status, 400)
    t.match(page, /Not connected/)
    t.equal(finished.code, code, finished.stderr)
    t.match(finished.stderr, says)
    t.equal(finished.stderr.trim().split('\n').length, 1, finished.stderr)
    t.notMatch(finished.stdout + finished.stderr + page, /planted/)
    t.same(await redis.client.keys('*outlook*'), [])
  }
  const { SIM_URL: _, OUTLOOK_CLIENT_ID: _id, ...unset } = environment
  t.match(await inTurn(['connect', 'outlook'], { ...unset, DATA_DIR: '/tmp/none' }), {
    code: 2,
    stderr: /no app is set: register one .* set OUTLOOK_CLIENT_ID/,
  })
  const applied = { ...environment, OUTLOOK_MAILBOXES: 'bo@example.com' }
  t.match(await inTurn(['connect', 'outlook', '--address', 'bo@example.com'], applied), {
    code: 2,
    stderr: /outlook:bo@example\.com is one of OUTLOOK_MAILBOXES, which need no consent/,
  })
})

t.test('a connected mailbox is sealed, listed, re-sealed and removed completely', async t => {
  const { microsoft, redis, environment } = await setUp(t)
  const recreated = sealingKey()
  microsoft.consents = { address: 'bo@example.com' }
  t.match(await connect(t, microsoft, environment), { mailbox: BO, new: true, entries: 0 })
  t.match(await connect(t, microsoft, environment), { mailbox: BO, new: false })
  t.match(lastJson(await inTurn(['mailboxes', '--json'], environment)), {
    mailboxes: [{ mailbox: BO, account: 'connected' }],
  })
  const both = { ...environment, MAILBOXES_KEY: `v2:${recreated},v1:${environment.MAILBOXES_KEY}` }
  t.same(lastJson(await inTurn(['rekey', '--json'], both)), { key: 'v2', accounts: 1, resealed: 1, failed: [] })
  const { MAILBOXES_KEY } = readConfig({ MAILBOXES_KEY: `v2:${recreated}` })
  const grant = await createVault(redis.client, keys, createSeal(MAILBOXES_KEY)).read(BO)
  t.ok(grant?.secret.includes(microsoft.refreshTokens[1] ?? 'none'))
  t.equal(grant?.access?.token, microsoft.accessTokens[1])
  t.notMatch((await everything(redis)).join('\n'), /planted|client_info|RefreshToken/)

  const removed = await inTurn(['remove', BO, '--yes'], both)
  t.match(
    removed.stdout,
    /removed: (?:.*\n)+Access was not revoked \(Microsoft does not let apps revoke grants\); .*myapps\.microsoft/,
  )
  t.same(await redis.client.keys('*secret*'), [])
})

t.test('consent for another mailbox is refused and nothing is stored', async t => {
  const { microsoft, redis, environment } = await setUp(t)
  const asked = connect(t, microsoft, environment, { wanted: 'outlook:ana@example.com' })
  await t.rejects(asked, { message: /granted to outlook:bo@example.com, not to outlook:ana@example.com/ })
  t.same(await redis.client.keys('*outlook*'), [])
})

t.test('a user principal name connects the mailbox under its mail address', async t => {
  const { microsoft, redis, environment } = await setUp(t)
  const upn = { wanted: 'outlook:b.o@corp.example', also: ['B.O@corp.example'] } as const
  t.match(await connect(t, microsoft, environment, upn), { mailbox: BO, new: true })
  t.equal((await redis.client.keys('*mailbox:outlook:*')).length, 1)
  const other = connect(t, microsoft, environment, { ...upn, also: ['bo@corp.example'] })
  await t.rejects(other, {
    message: /not to outlook:b\.o@corp\.example; .* or with --address bo@example\.com where that is the same/,
  })
})

t.test('msal is loaded only for Outlook', async t => {
  const { redis, environment } = await setUp(t)
  const loaded = async (words: readonly string[], given: Record<string, string>) => {
    const folder = await mkdtemp(join(tmpdir(), 'mailsluice-loaded-'))
    t.teardown(() => rm(folder, { recursive: true }))
    const finished = await run(words, { ...given, NODE_V8_COVERAGE: folder })
    const reports = await Promise.all((await readdir(folder)).map(name => readFile(join(folder, name), 'utf8')))
    return { code: finished.code, msal: reports.join('').includes('@azure/msal-node') }
  }
  const gmail = { REDIS_URL: redis.url, PARTITIONS: '1', DATA_DIR: await mkdtemp(join(tmpdir(), 'mailsluice-')) }
  t.teardown(() => rm(gmail.DATA_DIR, { recursive: true }))
  const mail = join(gmail.DATA_DIR, 'one.eml')
  await writeFile(mail, 'From: a@example.com\n\nOne.\n')
  t.same(await loaded(['up', '--once', '--json', '--mbox', mail], gmail), { code: 0, msal: false })
  t.same(await loaded(['connect', 'outlook', '--timeout', '1'], environment), { code: 1, msal: true })
})

async function setUp(t: Test) {
  const redis = await startRedis()
  const microsoft = await startMicrosoft()
  t.teardown(async () => {
    await microsoft.close()
    await redis.stop()
  })
  const environment: Record<string, string> = {
    REDIS_URL: redis.url,
    PARTITIONS: '1',
    SIM_URL: microsoft.url,
    OUTLOOK_CLIENT_ID: 'client',
    MAILBOXES_KEY: sealingKey(),
  }
  return { redis, microsoft, environment }
}

/** Runs the flow of `connect outlook` with a fake mailbox that knows only its owner. */
async function connect(
  t: Test,
  microsoft: MicrosoftServer,
  environment: Record<string, string>,
  { wanted, also = [] }: { wanted?: `outlook:${string}`; also?: readonly string[] } = {},
): Promise<unknown> {
  const config = readConfig(environment)
  const printed: string[] = []
  const { signal } = new AbortController()
  const context = contextFor({ config, json: true, signal, print: text => printed.push(text) })
  const app = await openApp(config, environment.REDIS_URL ?? '')
  t.teardown(() => app.close())
  const consenting = outlookConsent(config, microsoft.url, context.surroundings)
  const connected = connectWith(
    {
      ...consenting,
      open: (_, account): Mailbox => ({
        ...fakeMailbox(),
        async open() {
          const address = microsoft.ownerOf(await account.get('a test', signal))
          // The suggested account consents.
          return { address: also.length > 0 ? 'bo@example.com' : (address ?? 'nobody'), also, cursor: 'pinned:0' }
        },
      }),
    },
    { context, app, wanted, options: { port: 0, timeoutSeconds: 30 } },
  )
  connected.catch(() => undefined)
  const url = await until(() => /http:\S+authorize\?\S+/.exec(printed.join('\n'))?.[0], 'it names a page')
  await fetch(url)
  await connected
  return JSON.parse(printed.at(-1) ?? '')
}
