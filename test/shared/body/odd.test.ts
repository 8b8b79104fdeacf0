import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { gmailMailbox } from '../../../shared/gmail/mailbox.ts'
import type { Message } from '../../../shared/message.ts'
import { defaultFields } from '../../../shared/settings/gmail-fields.ts'
import { startGmail } from '../../../sim/gmail.ts'
import { memoryMailbox } from '../../../sim/mailbox.ts'
import { corpus } from '../../sim/client.ts'
import { htmlToText } from '../../support/html.ts'
import { http } from '../../support/surroundings.ts'
import { openCall } from '../gmail/google.ts'

const ADDRESS = 'ana@example.com'
const odd = corpus('odd')

/** Returns the messages of all odd mails by file name, as Gmail with these quirks serves them. */
async function readAll(t: Test, keptCharsets: boolean): Promise<Map<string, Message>> {
  const files = (await readdir(odd.path)).sort()
  const raws = await Promise.all(files.map(file => readFile(join(odd.path, file))))
  const mails = raws.map((raw, index) => ({ raw, receivedAtMs: 1_790_000_000_000 + index, labels: ['INBOX'] }))
  const sim = await startGmail({ profile: 'instant', mailboxes: [memoryMailbox(ADDRESS, mails)] })
  t.teardown(() => sim.close())
  sim.quirks.keptCharsets = keptCharsets
  const mailbox = gmailMailbox({
    http,
    address: ADDRESS,
    account: { clientId: 'simulated', clientSecret: 'simulated', refreshToken: `simulated:${ADDRESS}` },
    rootUrl: `${sim.url}/`,
    tokenUrl: `${sim.url}/token`,
    fields: defaultFields('text'),
    initialSync: { kind: 'all' },
    quota: '2026',
    pageSize: { live: 100, bulk: 500 },
    htmlToText,
  })
  const { cursor } = await mailbox.open(openCall())
  const { ids } = await mailbox.changes(cursor, undefined, openCall())
  const answers = await mailbox.fetch(ids, openCall())
  return new Map(
    ids.toReversed().flatMap(({ id }, place): [string, Message][] => {
      const answer = answers.get(id)
      return answer?.outcome === 'ok' ? [[files[place] ?? '', answer.message]] : []
    }),
  )
}

for (const keptCharsets of [true, false]) {
  const how = keptCharsets ? 'in the charset of their headers' : 'in UTF-8'
  t.test(`every odd mail has a clean text, served ${how}`, { skip: odd.skip }, async t => {
    const messages = await readAll(t, keptCharsets)
    t.equal(messages.size, 196)
    const texts = [...messages].map(([file, { body }]) => ({ file, text: body?.text ?? '' }))
    // No mail is listed as an exception: what is not UTF-8 is readable in another charset.
    t.same(
      texts.filter(({ text }) => text.includes('\ufffd')),
      [],
    )
    const unclean = texts.filter(({ text }) => /(?![\n\t])\p{Cc}|\p{Surrogate}|\n{3}|[^\S\n](?<!^-- )$/mu.test(text))
    t.same(
      unclean.map(({ file }) => file),
      [],
    )
    t.ok(texts.filter(({ text }) => text.length > 100).length >= 90, 'most have more than a line')
    const decoders = new Set([...messages.values()].map(({ body }) => body?.decodedBy))
    for (const one of keptCharsets ? ['escapes', 'utf-8', 'declared', 'iconv', 'windows-1252'] : ['utf-8'])
      t.ok(decoders.has(one as 'utf-8'), one)
    t.ok([...messages.values()].some(({ attachments = [] }) => attachments.length >= 10))
  })
}
