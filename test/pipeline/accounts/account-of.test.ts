import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { accountsOf } from '../../../pipeline/accounts/account-of.ts'
import { openMailSource, reachMailboxes } from '../../../pipeline/accounts/mail-source.ts'
import { issuerOf } from '../../../pipeline/accounts/providers.ts'
import { readConfig } from '../../../shared/config.ts'
import { providerOf } from '../../../shared/mailbox.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { connectMailbox } from '../../../shared/redis/mailboxes.ts'
import { createVault } from '../../../shared/redis/secrets.ts'
import { createSeal } from '../../../shared/seal.ts'
import { startMicrosoft } from '../../support/microsoft.ts'
import { startOAuth } from '../../support/oauth.ts'
import { run } from '../../support/processes.ts'
import { redisFor } from '../../support/redis.ts'

const { redis } = await redisFor(t)
const keys = createKeys('test', 1)
const store = { redis, keys }
const { signal } = new AbortController()
const APP = { OUTLOOK_CLIENT_ID: 'client', MAILBOXES_KEY: randomBytes(32).toString('base64') }
const APPLICATION = {
  ...APP,
  OUTLOOK_CLIENT_SECRET: 'planted-secret',
  OUTLOOK_TENANT: 'contoso.com',
  OUTLOOK_MAILBOXES: 'Ana@example.com, bo@example.com',
}

t.test('the mailboxes of OUTLOOK_MAILBOXES have one token, of the app; others have their own', async t => {
  const microsoft = await server(t)
  microsoft.clientSecret = 'simulated'
  const accountOf = accountsOf(readConfig(APPLICATION), microsoft.url, store)
  const tokenOf = (name: string) => accountOf(`outlook:${name}@example.com`).get('a test', signal)
  const [ana = '', bo = '', cy = ''] = await Promise.all(['ana', 'bo', 'cy'].map(tokenOf))
  t.equal(ana, bo)
  t.equal(microsoft.ownerOf(ana), 'application')
  t.equal(microsoft.ownerOf(cy), 'cy@example.com')
  t.equal(microsoft.asked.filter(({ form }) => form.grant_type === 'client_credentials').length, 1)
})

t.test('an app that cannot read OUTLOOK_MAILBOXES fails at once, and the error names its settings', async t => {
  for (const tenant of ['common', 'organizations', 'Consumers']) {
    const config = readConfig({ ...APPLICATION, OUTLOOK_TENANT: tenant })
    t.throws(() => accountsOf(config, undefined), { message: new RegExp(`OUTLOOK_TENANT is ${tenant}: set it to`) })
  }
  const { OUTLOOK_CLIENT_SECRET: _, ...secretless } = APPLICATION
  t.throws(() => accountsOf(readConfig(secretless), undefined), { message: /OUTLOOK_CLIENT_SECRET is not set/ })
  const { OUTLOOK_CLIENT_ID: _id, ...nobody } = APPLICATION
  t.throws(() => accountsOf(readConfig(nobody), undefined), { message: /no app is set: .*OUTLOOK_CLIENT_ID/ })
  t.throws(
    () => readConfig({ OUTLOOK_MAILBOXES: 'ana' }),
    /OUTLOOK_MAILBOXES: "ana" is not allowed; use addresses such/,
  )
  t.throws(
    () => readConfig({ OUTLOOK_TENANT: '../x' }),
    /OUTLOOK_TENANT: "..\/x" is not allowed; use the id or a domain/,
  )
})

t.test('both providers are asked in the same process, each in its own way', async t => {
  const microsoft = await server(t)
  const google = await startOAuth()
  t.teardown(() => google.close())
  const config = readConfig(APP)
  const [atGoogle, atMicrosoft] = [accountsOf(config, google.url, store), accountsOf(config, microsoft.url, store)]
  t.equal(await atGoogle('gmail:ana@example.com').get('a test', signal), google.accessTokens[0])
  const token = await atMicrosoft('outlook:ana@example.com').get('a test', signal)
  t.equal(microsoft.ownerOf(token), 'ana@example.com')
  const alone = accountsOf(config, undefined, store)
  for (const provider of ['gmail', 'outlook'] as const) {
    const none = alone(`${provider}:cy@example.com`).get('a test', signal)
    await t.rejects(none, { message: new RegExp(`mailsluice connect ${provider} --address cy@example\\.com`) })
  }
})

t.test('mail comes from the providers that are set, and from the mailboxes that are named or kept', async t => {
  const gmail = { GMAIL_CLIENT_ID: 'client', GMAIL_CLIENT_SECRET: 'secret' }
  const config = readConfig({ ...APPLICATION, ...gmail })
  t.equal((await openMailSource(readConfig(APP), [])).label, 'Outlook')
  t.equal((await openMailSource(readConfig({ ...gmail, MAILBOXES_KEY: APP.MAILBOXES_KEY }), [])).label, 'Gmail')
  const source = await openMailSource(config, [])
  t.equal(source.label, 'Gmail and Outlook')
  for (const mailbox of ['outlook:cy@example.com', 'gmail:cy@example.com'] as const) {
    await connectMailbox(redis, keys, mailbox, 'pinned:0', 1)
    await createVault(redis, keys, createSeal(config.MAILBOXES_KEY)).put(mailbox, { secret: 'planted' })
  }
  t.same((await source.list(signal, store)).sort(), [
    'gmail:cy@example.com',
    'outlook:ana@example.com',
    'outlook:bo@example.com',
    'outlook:cy@example.com',
  ])
  t.type(reachMailboxes(readConfig(APP), undefined), 'function')
  const { MAILBOXES_KEY: _, ...half } = APP
  await t.rejects(openMailSource(readConfig(half), []), { message: /no account: .*for Outlook, set OUTLOOK_CLIENT_ID/ })
})

t.test('a simulator gets no client secret, and no grant that another gave', async t => {
  const [microsoft, other, google, otherGoogle] = [
    await server(t),
    await server(t),
    await startOAuth(),
    await startOAuth(),
  ]
  t.teardown(() => Promise.all([google.close(), otherGoogle.close()]))
  for (const one of [microsoft, other]) one.clientSecret = 'simulated'
  const config = readConfig({
    ...APP,
    OUTLOOK_CLIENT_SECRET: 'planted-secret',
    GMAIL_CLIENT_ID: 'client',
    GMAIL_CLIENT_SECRET: 'planted-secret',
  })
  const kept = [
    { mailbox: 'gmail:dan@example.com', at: google.url, elsewhere: otherGoogle.url },
    { mailbox: 'outlook:dan@example.com', at: microsoft.url, elsewhere: other.url },
  ] as const
  for (const { mailbox, at, elsewhere } of kept) {
    const issuer = () => issuerOf(providerOf(mailbox), at)
    const vault = createVault(redis, keys, createSeal(config.MAILBOXES_KEY), undefined, issuer)
    await vault.put(mailbox, {
      secret: 'planted',
      access: { token: 'planted', givenAt: 0, endsAt: Date.now() + 3_600_000 },
    })
    t.equal(await accountsOf(config, at, store)(mailbox).get('a test', signal), 'planted')
    for (const simUrl of [elsewhere, undefined]) {
      const asked = accountsOf(config, simUrl, store)(mailbox).get('a test', signal)
      await t.rejects(asked, { kind: 'misconfigured', message: new RegExp(`${mailbox} was connected at ${at}`) })
    }
    await accountsOf(config, elsewhere, store)(`${providerOf(mailbox)}:eve@example.com`).get('a test', signal)
    await createVault(redis, keys, createSeal(config.MAILBOXES_KEY)).put(mailbox, { secret: 'planted' })
    await t.rejects(accountsOf(config, elsewhere, store)(mailbox).get('a test', signal), {
      message: /connect the mailbox again/,
    })
  }
  const seen = JSON.stringify([other.asked, otherGoogle.asked])
  t.match(seen, /simulated/)
  t.notMatch(seen, /planted/)
})

t.test('a refresh token beside a simulator is refused at the start, and not repeated', async t => {
  const both = { SIM_URL: 'http://127.0.0.1:1', GMAIL_REFRESH_TOKEN: 'planted-refresh' }
  for (const environment of [both, { ...both, NODE_ENV: 'production' }]) {
    const refused = { kind: 'misconfigured', message: /^SIM_URL: .*GMAIL_REFRESH_TOKEN((?!planted).)*$/ }
    t.throws(() => readConfig(environment), refused)
  }
  const { code, stdout, stderr } = await run(['up', '--once'], both)
  t.not(code, 0)
  t.match(stderr, /SIM_URL and GMAIL_REFRESH_TOKEN, because a simulator/)
  t.notMatch(stdout + stderr, /planted/)
})

async function server(t: Test) {
  const microsoft = await startMicrosoft()
  t.teardown(() => microsoft.close())
  return microsoft
}
