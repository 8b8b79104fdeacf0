import { readFile } from 'node:fs/promises'
import t from 'tap'
import { METHODS, type MethodName } from '../../sim/gmail/methods.ts'
import * as resources from '../../sim/gmail/resources.ts'
import { memoryMailbox } from '../../sim/mailbox.ts'
import { ADDRESS, connected, corpus } from './client.ts'

interface Schema {
  type?: string
  $ref?: string
  items?: Schema
  properties?: Record<string, Schema>
}

interface DiscoveredMethod {
  httpMethod: string
  path: string
  parameters: Record<string, { location: string; required?: boolean }>
  scopes: string[]
  request?: Schema
  response?: Schema
  mediaUpload?: { protocols: Record<string, { path: string }> }
}

interface Resource {
  methods?: Record<string, DiscoveredMethod>
  resources?: Record<string, Resource>
}

interface Discovery {
  schemas: Record<string, Schema>
  resources: { users: Resource }
}

const discovery = corpus('api/gmail.v1.discovery.json')
const read = async (): Promise<Discovery> => JSON.parse(await readFile(discovery.path, 'utf8'))

// Drafts and settings are useless to a reader of mail.
const LEFT_OUT = /^(drafts|settings)\./
const DEPTH = 6

t.test('every method has Google’s path, parameters, scopes and uploads', { skip: discovery.skip }, async t => {
  const theirs = methodsOf((await read()).resources.users)
  t.same(METHODS.map(({ name }) => name).sort(), [...theirs.keys()].filter(name => !LEFT_OUT.test(name)).sort())
  for (const { name, verb, path, query, scopes, uploads } of METHODS) {
    const method = theirs.get(name)
    if (!method) continue
    const inQuery = Object.entries(method.parameters).filter(([, { location }]) => location === 'query')
    t.equal(
      `${verb} ${path.replace(/:(\w+)/g, '{$1}')}`,
      `${method.httpMethod} ${method.path.replace('gmail/v1/users/{userId}/', '')}`,
      name,
    )
    t.same([...query].sort(), inQuery.map(([parameter]) => parameter).sort(), `${name}: parameters`)
    t.same([...scopes].sort(), method.scopes.flatMap(shortScope).sort(), `${name}: scopes`)
    t.equal(uploads, method.mediaUpload !== undefined, `${name}: uploads`)
    if (method.mediaUpload)
      t.same(
        Object.values(method.mediaUpload.protocols)
          .map(protocol => protocol.path)
          .sort(),
        [`/resumable/upload/${method.path}`, `/upload/${method.path}`],
      )
  }
})

t.test('every field of every answer exists at Google, with the right type', { skip: discovery.skip }, async t => {
  const { schemas, resources: theirs } = await read()
  const methods = methodsOf(theirs.users)
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

  const { sim, headers, get } = await connected(t, mailboxOfTwo())
  const [newest = '', oldest = ''] = sim.mailbox(ADDRESS).ids()
  const { threadId } = (await get(`messages/${newest}`)).body
  const { payload } = (await get(`messages/${oldest}?fields=payload/parts/body/attachmentId`)).body
  const [, attachmentId] = /"attachmentId":"([^"]+)"/.exec(JSON.stringify(payload)) ?? []
  const raw = Buffer.from(`To: ${ADDRESS}\r\n\r\nHello`).toString('base64url')
  const star = { addLabelIds: ['STARRED'], removeLabelIds: ['INBOX'] }
  const calls: [MethodName, string, object?][] = [
    ['getProfile', 'profile'],
    ['labels.list', 'labels'],
    ['labels.get', 'labels/Label_1'],
    ['labels.create', 'labels', { name: 'New', color: { textColor: '#000000', backgroundColor: '#ffffff' } }],
    ['labels.update', 'labels/Label_2', { id: 'Label_2', name: 'Newer' }],
    ['labels.patch', 'labels/Label_2', { labelListVisibility: 'labelHide' }],
    ['labels.delete', 'labels/Label_2'],
    ['messages.list', 'messages?maxResults=1'],
    ...['full', 'metadata', 'minimal', 'raw'].map((format): [MethodName, string] => {
      return ['messages.get', `messages/${oldest}?format=${format}`]
    }),
    ['messages.attachments.get', `messages/${oldest}/attachments/${attachmentId}`],
    ['messages.insert', 'messages', { raw, labelIds: ['INBOX'] }],
    ['messages.import', 'messages/import', { raw }],
    ['messages.send', 'messages/send', { raw }],
    ['messages.modify', `messages/${newest}/modify`, star],
    ['messages.batchModify', 'messages/batchModify', { ids: [oldest], ...star }],
    ['messages.trash', `messages/${newest}/trash`],
    ['messages.untrash', `messages/${newest}/untrash`],
    ['threads.list', 'threads?maxResults=1'],
    ['threads.get', `threads/${threadId}`],
    ['threads.modify', `threads/${threadId}/modify`, { removeLabelIds: ['STARRED'] }],
    ['threads.trash', `threads/${threadId}/trash`],
    ['threads.untrash', `threads/${threadId}/untrash`],
    ['watch', 'watch', { topicName: 'projects/a/topics/b' }],
    ['stop', 'stop'],
    ['messages.delete', `messages/${newest}`],
    ['messages.batchDelete', 'messages/batchDelete', { ids: [oldest] }],
    ['history.list', 'history?startHistoryId=1000'],
    ['threads.delete', `threads/${sim.deliver(ADDRESS, '\r\nLast').threadId}`],
  ]
  for (const [name, path, body] of calls) {
    const method = methods.get(name)
    if (body) check(body, method?.request, `request of ${name}`)
    const json = body && { body: JSON.stringify(body), headers: { ...headers, 'content-type': 'application/json' } }
    const answer = await fetch(`${sim.url}/gmail/v1/users/me/${path}`, {
      method: method?.httpMethod ?? '',
      headers,
      ...json,
    })
    const text = await answer.text()
    t.equal(answer.status, method?.response ? 200 : 204, `${name}: ${text}`)
    if (method?.response) check(JSON.parse(text), method.response, name)
    else t.equal(text, '')
  }
  t.same(new Set(calls.map(([name]) => name)).size, METHODS.length, 'each method was called')
})

t.test('the selectable fields are Google’s', { skip: discovery.skip }, async t => {
  const { schemas } = await read()
  const resolved = (given: Schema | undefined): Record<string, Schema> => {
    const schema = given?.items ?? given
    return (schema?.$ref ? schemas[schema.$ref]?.properties : schema?.properties) ?? {}
  }
  const same = (shape: resources.Shape, given: Schema | undefined, path: string, depth = 0): void => {
    const properties = resolved(given)
    t.same(Object.keys(shape).sort(), Object.keys(properties).sort(), path)
    for (const [name, field] of Object.entries(shape))
      if (field !== true && depth < DEPTH) same(field, properties[name], `${path}.${name}`, depth + 1)
  }
  const shapes: Record<string, resources.Shape> = {
    Profile: resources.PROFILE,
    Label: resources.LABEL,
    ListLabelsResponse: resources.LABELS,
    Message: resources.MESSAGE,
    ListMessagesResponse: resources.MESSAGES,
    MessagePartBody: resources.ATTACHMENT,
    Thread: resources.THREAD,
    ListThreadsResponse: resources.THREADS,
    ListHistoryResponse: resources.HISTORY,
    WatchResponse: resources.WATCH,
  }
  for (const [name, shape] of Object.entries(shapes)) same(shape, { $ref: name }, name)
})

/** Creates a mailbox with an attachment, and a reply with a user label. */
function mailboxOfTwo() {
  const multipart =
    'Content-Type: multipart/mixed; boundary=x\n\n--x\n\ntext\n--x\nContent-Type: image/png\n\npng\n--x--'
  return memoryMailbox(ADDRESS, [
    { raw: `Message-ID: <a>\n${multipart}` },
    { raw: 'In-Reply-To: <a>\nX-Gmail-Labels: Inbox,Work\n\nb' },
  ])
}

function methodsOf({ methods = {}, resources: within = {} }: Resource, prefix = ''): Map<string, DiscoveredMethod> {
  return new Map([
    ...Object.entries(methods).map(([name, method]): [string, DiscoveredMethod] => [prefix + name, method]),
    ...Object.entries(within).flatMap(([name, resource]) => [...methodsOf(resource, `${prefix}${name}.`)]),
  ])
}

// Add-on scopes are for programs inside Gmail.
function shortScope(scope: string): string[] {
  if (scope === 'https://mail.google.com/') return ['full']
  return /^https:\/\/www\.googleapis\.com\/auth\/gmail\.(\w+)$/.exec(scope)?.slice(1) ?? []
}
