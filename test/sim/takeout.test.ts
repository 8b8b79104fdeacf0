import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import t, { type Test } from 'tap'
import { startSimulator } from '../../pipeline/accounts/start-simulator.ts'
import { readConfig } from '../../shared/config.ts'
import { LABEL_NAMES, NAMED } from '../../sim/label-names.ts'
import { splitLabels } from '../../sim/labels.ts'
import { loadMail } from '../../sim/mbox.ts'
import { answerOf, askToken } from './client.ts'
import { clientOf } from './graph-client.ts'

const SKIPPED = ['SPAM', 'TRASH', 'DRAFT']

const mboxOf = (headers: readonly string[]) =>
  headers
    .map(
      (header, index) =>
        `From ${1000 + index}@xxx Mon Jan 01 10:00:00 +0000 2024\nX-GM-THRID: ${1000 + index}\n${header}Subject: ${index}\n\nText.\n\n`,
    )
    .join('')

const labelled = (...values: readonly string[]) => mboxOf(values.map(value => `X-Gmail-Labels: ${value}\n`))

// Takeout's format: UTF-8 in quoted-printable words, folded between any two bytes of a name.
function encoded(value: string): string {
  const bytes = [...Buffer.from(value)].map(byte => {
    const character = String.fromCharCode(byte)
    if (character === ' ') return '_'
    return /[A-Za-z0-9,'-]/.test(character) ? character : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`
  })
  const words: string[] = []
  for (let at = 0; at < bytes.length; at += 20) words.push(`=?UTF-8?Q?${bytes.slice(at, at + 20).join('')}?=`)
  return words.join('\n ')
}

async function labelsIn(t: Test, mbox: string, labels?: Record<string, string>) {
  const path = `${t.testdir({ 'a.mbox': mbox })}/a.mbox`
  const mailbox = await loadMail(path, labels === undefined ? {} : { labels })
  return Array.from({ length: mailbox.size }, (_, index) => mailbox.message(index).labels)
}

t.test('system labels are recognized in every language and spelling of the table', async t => {
  for (const [language, row] of Object.entries(LABEL_NAMES)) {
    const names = row.flatMap((spellings, index) =>
      spellings.split('|').map(name => ({ id: NAMED[index] ?? '', name })),
    )
    const [labels, right] = [
      await labelsIn(t, labelled(...names.map(({ name }) => encoded(`${name},Clients`)))),
      names.map(({ id }) => (['OPENED', 'ARCHIVED'].includes(id) ? ['Clients'] : [id, 'Clients'])),
    ]
    t.same(labels, right, language)
  }
})

t.test('a user label stays, even if it is a system name in another language', async t => {
  const english = labelled('Inbox,Opened', 'Archived,Papierkorb', 'Archived,Lixo,Koš')
  t.same(await labelsIn(t, english), [['INBOX'], ['Papierkorb'], ['Lixo', 'Koš']])
})

t.test('concatenated exports are read each in its language', async t => {
  const joined = labelled(
    'Inbox,Unread',
    'Trash',
    'Posteingang',
    'Papierkorb',
    encoded('Boîte de réception'),
    'Corbeille',
    encoded('受信トレイ'),
    encoded('ゴミ箱'),
  )
  t.same(await labelsIn(t, joined), [
    ['INBOX', 'UNREAD'],
    ['TRASH'],
    ['INBOX'],
    ['TRASH'],
    ['INBOX'],
    ['TRASH'],
    ['INBOX'],
    ['TRASH'],
  ])
})

t.test('an export of a single label reveals its language', async t => {
  t.same(await labelsIn(t, labelled('Papierkorb')), [['TRASH']])
  t.same(await labelsIn(t, labelled(encoded('Roskaposti'))), [['SPAM']])
  t.same(await labelsIn(t, labelled('Spam')), [['SPAM']])
})

t.test('case, width, spaces, marks and composition of a name are ignored', async t => {
  const german = ['POSTEINGANG', 'entwürfe', 'Entwu\u0308rfe', 'Entwürfe\u200e', ' Papierkorb\t', 'papierkorb']
  t.same(await labelsIn(t, labelled(...german.map(encoded))), [
    ['INBOX'],
    ['DRAFT'],
    ['DRAFT'],
    ['DRAFT'],
    ['TRASH'],
    ['TRASH'],
  ])
  t.same(await labelsIn(t, labelled(encoded('Boîte de réception'), encoded('Messages\u00a0envoyés'))), [
    ['INBOX'],
    ['SENT'],
  ])
  t.same(await labelsIn(t, labelled(encoded('البريد الوارد'), encoded('المهـملات'))), [['INBOX'], ['TRASH']])
  t.same(await labelsIn(t, labelled(encoded('GELEN KUTUSU'), encoded('ÇÖP KUTUSU'))), [['INBOX'], ['TRASH']])
  t.same(await labelsIn(t, labelled(encoded('Mesaje primite'), encoded('Coş de gunoi'))), [['INBOX'], ['TRASH']])
})

t.test('a label list may be encoded in any way, and folded anywhere', async t => {
  t.same(splitLabels('Inbox,"Team, Berlin","He said ""no""",Kategorie: "Neuigkeiten",,  ,a"b'), [
    'Inbox',
    'Team, Berlin',
    'He said "no"',
    'Kategorie: "Neuigkeiten"',
    'a"b',
  ])
  t.same(splitLabels('"never closed,Spam'), ['"never closed', 'Spam'])
  t.same(splitLabels(''), [])
  const lists = [
    'Inbox,=?UTF-8?B?w5xiZXIgdW5z?=,Opened',
    `=?utf-8?b?${Buffer.from('Inbox,"Süd, West",Spam').toString('base64')}?=`,
    'Inbox,\n "Team,\n Berlin",Category\n Updates',
    '=?UTF-8?Q?Inbox,"S=C3=BCd=2C_We?=\n =?UTF-8?Q?st"?=',
  ]
  t.same(await labelsIn(t, labelled(...lists)), [
    ['INBOX', 'Über uns'],
    ['INBOX', 'Süd, West', 'SPAM'],
    ['INBOX', 'Team, Berlin', 'CATEGORY_UPDATES'],
    ['INBOX', 'Süd, West'],
  ])
})

t.test('a mail that contains such a header does not label itself', async t => {
  t.same(await labelsIn(t, mboxOf(['X-Gmail-Labels: Inbox\nX-Gmail-Labels: Spam\n'])), [['INBOX']])
})

t.test('an export in an unknown language is refused, with labels and remedy', async t => {
  const welsh = labelled('Mewnflwch,Heb ei ddarllen', 'Sbwriel\x1b[31m', 'Drafftiau', 'Sbam')
  const path = `${t.testdir({ 'cy.mbox': welsh })}/cy.mbox`
  const error: unknown = await loadMail(path).catch((error: unknown) => error)
  const { message } = error as Error
  t.ok(
    message.startsWith(`"${path}" cannot be read: its labels ("Mewnflwch", "Heb ei ddarllen", "Sbwriel?[31m", `),
    message,
  )
  t.match(message, /spam, trash and drafts cannot be told .* TAKEOUT_LABELS="SPAM=…,TRASH=…,DRAFT=…"/)
  const named = { SPAM: 'Sbam', TRASH: 'Sbwriel\x1b[31m|Bin sbwriel', DRAFT: 'drafftiau' }
  const labels = await labelsIn(t, welsh, named)
  t.same(labels, [['Mewnflwch', 'Heb ei ddarllen'], ['TRASH'], ['DRAFT'], ['SPAM']])
  await t.rejects(labelsIn(t, welsh, { SPAM: 'Sbam' }), /cannot be told/, 'all three are asked for')
  t.same((await labelsIn(t, welsh, { SPAM: '', TRASH: '', DRAFT: '' })).length, 4, 'none of them is an answer too')
})

t.test('both simulators serve an export by its labels, recognized or named', async t => {
  const welsh = labelled('Mewnflwch', 'Sbam', 'Sbwriel', 'Drafftiau')
  const dir = t.testdir({
    'de.mbox': labelled('Posteingang', 'Spam,Ungelesen', 'Papierkorb', encoded('Entwürfe')),
    'cy.mbox': welsh,
  })
  const config = readConfig({ DATA_DIR: `${dir}/data`, TAKEOUT_LABELS: 'SPAM=Sbam,TRASH=Sbwriel,DRAFT=Drafftiau' })
  const mbox = [`${dir}/de.mbox`, `${dir}/cy.mbox`]
  const sims = await startSimulator(config, { mbox, sides: ['gmail', 'outlook'], profile: 'instant' })
  t.teardown(() => sims.close())
  for (const name of ['de', 'cy']) {
    const token = await askToken(sims.gmail, `simulated:${name}@mbox.example`)
    const headers = { authorization: `Bearer ${token.body.access_token}` }
    for (const id of SKIPPED) {
      const answer = await fetch(`${sims.gmail.url}/gmail/v1/users/me/messages?labelIds=${id}&includeSpamTrash=true`, {
        headers,
      })
      t.equal((await answerOf(answer)).body.messages?.length, 1, `Gmail, ${name}: ${id}`)
    }
    const ask = await clientOf(sims.graph, `simulated:${name}@mbox.example`)
    for (const folder of ['junkemail', 'deleteditems', 'drafts']) {
      const { body } = await ask(`me/mailFolders/${folder}/messages`)
      t.equal(body.value.length, 1, `Outlook, ${name}: ${folder}`)
    }
  }
  const unnamed = readConfig({ DATA_DIR: `${dir}/data` })
  await t.rejects(startSimulator(unnamed, { mbox: [`${dir}/cy.mbox`], sides: ['gmail'], profile: 'instant' }), {
    kind: 'misconfigured',
    message: /TAKEOUT_LABELS/,
  })
})

t.test('files without Gmail labels need no names', async t => {
  t.same(await labelsIn(t, mboxOf(['', ''])), [['INBOX', 'UNREAD'], ['INBOX']])
})

const reports = (name: string) => resolve('..', 'shared', 'reports', name)
for (const name of ['takeout-en.mbox', 'takeout-de.mbox']) {
  const read = () => {
    try {
      return readFileSync(reports(name), 'utf8')
    } catch {
      return undefined
    }
  }
  const mbox = read()
  t.test(
    `${name}: spam, trash and drafts are recognized`,
    { skip: mbox === undefined && 'no reports here' },
    async t => {
      const labels = await labelsIn(t, mbox ?? '')
      t.same(
        labels.map(list => list.find(label => [...SKIPPED, 'INBOX', 'SENT'].includes(label))),
        ['INBOX', ...SKIPPED.slice(0, 2), 'DRAFT', 'SENT'],
      )
    },
  )
}
