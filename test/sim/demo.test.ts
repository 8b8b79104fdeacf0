import { createHash } from 'node:crypto'
import t from 'tap'
import { demoMailbox } from '../../sim/demo.ts'
import { connected } from './client.ts'

async function digest() {
  const mailbox = demoMailbox()
  const hash = createHash('sha256')
  for (let index = 0; index < mailbox.size; index++) {
    const { receivedAtMs, labels, read } = mailbox.message(index)
    hash.update(`${receivedAtMs} ${labels.join()}`).update(await read())
  }
  return hash.digest('hex')
}

t.test('the demo has about 300 mails in 70 to 90 threads, always the same', async t => {
  const { get } = await connected(t, demoMailbox())
  const profile: unknown = (await get('profile')).body
  const { messagesTotal = 0, threadsTotal = 0 } = profile as { messagesTotal?: number; threadsTotal?: number }
  t.ok(messagesTotal >= 280 && messagesTotal <= 320, `${messagesTotal} mails`)
  t.ok(threadsTotal >= 70 && threadsTotal <= 90, `${threadsTotal} threads`)
  t.equal(await digest(), await digest())
})

t.test('the demo is in delivery order, in autumn 2026, at example addresses only', async t => {
  const mailbox = demoMailbox()
  let previousMs = Date.UTC(2026, 8, 1)
  for (let index = 0; index < mailbox.size; index++) {
    const { receivedAtMs, read } = mailbox.message(index)
    const text = (await read()).toString()
    if (receivedAtMs < previousMs || receivedAtMs > Date.UTC(2026, 11, 1)) t.fail(`mail ${index} is out of order`)
    for (const [, domain] of text.matchAll(/@([\w.-]+)/g)) {
      if (!/(^|\.)example\.(com|org|net)$/.test(domain ?? '')) t.fail(`mail ${index} names ${domain}`)
    }
    if (/\{\w+\}/.test(text.replace(/<style>.*<\/style>/, ''))) t.fail(`mail ${index} has an unfilled template`)
    previousMs = receivedAtMs
  }
})

t.test('the demo has encoded headers, an attachment, HTML-only mail, and bare replies', async t => {
  const mailbox = demoMailbox()
  const texts = await Promise.all(
    Array.from({ length: mailbox.size }, async (_, index) => (await mailbox.message(index).read()).toString()),
  )
  const count = (pattern: RegExp) => texts.filter(text => pattern.test(text)).length
  t.ok(count(/^Subject: =\?UTF-8\?B\?/m) > 0)
  t.equal(count(/^Content-Disposition: attachment/m), 1)
  t.equal(texts.filter(text => /^Content-Type: text\/html/m.test(text) && !text.includes('multipart')).length, 1)
  t.equal(texts.filter(text => /^Subject: Re: /m.test(text) && !/^In-Reply-To: /m.test(text)).length, 5)
})
