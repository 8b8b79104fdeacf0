import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Message } from '../../../shared/message.ts'
import { corpus } from '../../sim/client.ts'
import { openSimulatedGmail } from '../../support/simulated-gmail.ts'
import { openCall } from '../gmail/google.ts'

const odd = corpus('odd')

/** Returns the messages of all odd mails by file name, as Gmail with these quirks serves them. */
async function readAll(t: Test, keptCharsets: boolean): Promise<Map<string, Message>> {
  const files = (await readdir(odd.path)).sort()
  const raws = await Promise.all(files.map(file => readFile(join(odd.path, file))))
  const { sim, mailbox } = await openSimulatedGmail(t, raws)
  sim.quirks.keptCharsets = keptCharsets
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
