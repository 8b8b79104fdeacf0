import { readFile } from 'node:fs/promises'
import t from 'tap'
import { loadMail } from '../../sim/mbox.ts'
import { groupThreads } from '../../sim/threads.ts'
import { connected, corpus } from './client.ts'

const list = corpus('mailing-list.mbox')
t.test('a real mailing list loads, and threads like an independent program', { skip: list.skip }, async t => {
  const mailbox = await loadMail(list.path)
  t.equal(mailbox.address, 'mailing-list@mbox.example')
  t.equal(mailbox.size, 2260)
  const threads = groupThreads()
  for (let index = 0; index < mailbox.size; index++) threads.add(mailbox.message(index), { merging: true })
  const groups = new Map<number, number[]>()
  for (let index = 0; index < mailbox.size; index++) {
    const first = threads.firstOf(index)
    groups.set(first, [...(groups.get(first) ?? []), index])
  }
  const ours = [...groups.values()].map(group => group.join(' '))
  const lines = (await readFile(corpus('mailing-list.threads-notmuch.txt').path, 'utf8')).split('\n')
  const theirs = lines.filter(line => line !== '' && !line.startsWith('#'))
  t.equal(ours.length, 757)
  t.same(ours.sort(), theirs.sort())
})

const odd = corpus('odd')
t.test('every odd mail can be read in every format', { skip: odd.skip }, async t => {
  const { get } = await connected(t, await loadMail(odd.path))
  const { messages } = (await get('messages?maxResults=500')).body
  t.equal(messages.length, 196)
  for (const { id } of messages) {
    for (const format of ['full', 'metadata', 'minimal', 'raw']) {
      const { status } = await get(`messages/${id}?format=${format}`)
      if (status !== 200) t.fail(`${id} as ${format} is a ${status}`)
    }
  }
})
