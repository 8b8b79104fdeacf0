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
    for (const [file, { body, attachments }] of messages) {
      const count = body?.text.split('\ufffd').length ?? 1
      if (process.env.SHOW)
        process.stdout.write(
          `#ODD ${keptCharsets} ${file} ${count - 1} ${body?.kind} ${body?.charset} ${body?.decodedBy} ${body?.note} ${attachments?.length} ${JSON.stringify(body?.text.slice(0, 300))}\n`,
        )
    }
  })
}
