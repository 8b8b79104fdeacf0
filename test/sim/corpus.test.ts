import { readFile } from 'node:fs/promises'
import t from 'tap'
import * as resources from '../../sim/gmail/resources.ts'
import { groupThreads } from '../../sim/gmail/threads.ts'
import { memoryMailbox } from '../../sim/mailbox.ts'
import { loadMail } from '../../sim/mbox.ts'
import { connected, corpus } from './client.ts'

const list = corpus('mailing-list.mbox')
t.test('a real mailing list loads, and threads as an independent program threads it', { skip: list.skip }, async t => {
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
t.test('every odd mail can be got in every format', { skip: odd.skip }, async t => {
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

interface Schema {
  type?: string
  $ref?: string
  items?: Schema
  properties?: Record<string, Schema>
}

const discovery = corpus('api/gmail.v1.discovery.json')
t.test('every field there is exists at Google, with the right type', { skip: discovery.skip }, async t => {
  const { schemas }: { schemas: Record<string, Schema> } = JSON.parse(await readFile(discovery.path, 'utf8'))

  const resolved = (schema: Schema | undefined): Schema =>
    schema?.$ref ? resolved(schemas[schema.$ref]) : (schema ?? {})
  const check = (value: unknown, given: Schema | undefined, path: string): void => {
    const schema = resolved(given)
    if (Array.isArray(value)) {
      if (schema.type !== 'array') t.fail(`${path} is no list at Google`)
      for (const item of value) check(item, schema.items, `${path}[]`)
    } else if (typeof value === 'object' && value !== null) {
      for (const [name, field] of Object.entries(value)) {
        const property = schema.properties?.[name]
        if (property) check(field, property, `${path}.${name}`)
        else t.fail(`${path}.${name} does not exist at Google`)
      }
    } else if ((typeof value === 'number' ? 'integer' : typeof value) !== schema.type) {
      t.fail(`${path} is ${typeof value}, at Google ${schema.type}`)
    }
  }
  const checkShape = (shape: resources.Shape, given: Schema | undefined, path: string, depth = 0): void => {
    const { items, ...own } = resolved(given)
    const { properties = {} } = items ? resolved(items) : own
    for (const [name, field] of Object.entries(shape)) {
      const property = properties[name]
      if (!property) t.fail(`${path}.${name} does not exist at Google`)
      else if (field !== true && depth < 6) checkShape(field, property, `${path}.${name}`, depth + 1)
    }
  }

  const multipart =
    'Content-Type: multipart/mixed; boundary=x\n\n--x\n\ntext\n--x\nContent-Type: image/png\n\npng\n--x--'
  const mails = [{ raw: `Message-ID: <a>\n${multipart}` }, { raw: 'In-Reply-To: <a>\nX-Gmail-Labels: Inbox,Work\n\nb' }]
  const { get } = await connected(t, memoryMailbox('ana@example.com', mails))
  const { messages } = (await get('messages')).body
  const [newest, oldest] = messages
  const { payload } = (await get(`messages/${oldest?.id}?fields=payload/parts/body/attachmentId`)).body
  const [, attachmentId] = /"attachmentId":"([^"]+)"/.exec(JSON.stringify(payload)) ?? []
  const answers: [path: string, schema: string, shape: resources.Shape][] = [
    ['profile', 'Profile', resources.PROFILE],
    ['labels', 'ListLabelsResponse', resources.LABELS],
    ['labels/Label_1', 'Label', resources.LABEL],
    ['messages?maxResults=1', 'ListMessagesResponse', resources.MESSAGES],
    ...['full', 'metadata', 'minimal', 'raw'].map((format): [string, string, resources.Shape] => {
      return [`messages/${oldest?.id}?format=${format}`, 'Message', resources.MESSAGE]
    }),
    [`messages/${oldest?.id}/attachments/${attachmentId}`, 'MessagePartBody', resources.ATTACHMENT],
    ['threads?maxResults=1', 'ListThreadsResponse', resources.THREADS],
    [`threads/${newest?.threadId}`, 'Thread', resources.THREAD],
    ['history?startHistoryId=1000&maxResults=1', 'ListHistoryResponse', resources.HISTORY],
  ]
  for (const [path, schema, shape] of answers) {
    const { status, body } = await get(path)
    t.equal(status, 200, path)
    check(body, { $ref: schema }, schema)
    checkShape(shape, { $ref: schema }, schema)
  }
})
