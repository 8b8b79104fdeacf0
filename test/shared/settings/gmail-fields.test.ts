import t from 'tap'
import { readConfig } from '../../../shared/config.ts'
import { faultOfFields } from '../../../shared/settings/gmail-fields.ts'

const ALL = ['id', 'threadId', 'labelIds', 'snippet', 'payload/headers', 'internalDate']

t.test('the default and all equivalent choices are accepted', async t => {
  t.equal(readConfig({}).GMAIL_FIELDS, ALL.join(','))
  for (const fields of [
    '*',
    ' id , labelIds, snippet, payload, internalDate,historyId',
    'labelIds,snippet,internalDate,payload(headers)',
    'labelIds,snippet,internalDate,payload(mimeType,headers(name,value)),sizeEstimate',
    'labelIds,snippet,internalDate,payload/headers/name,payload/headers/value',
    'labelIds,snippet,internalDate,payload/*',
    'labelIds,snippet,internalDate,payload(parts(parts(body/size)),headers/*)',
  ])
    t.equal(faultOfFields(fields), undefined, fields)
})

t.test('whole texts need the parts of a message', async t => {
  const text = { MESSAGE_BODY: 'text' }
  const { GMAIL_FIELDS, MESSAGE_BODY } = readConfig(text)
  t.equal(MESSAGE_BODY, 'text')
  t.equal(faultOfFields(GMAIL_FIELDS), undefined)
  const whole = 'labelIds,snippet,internalDate,payload(headers,mimeType,filename,body,parts)'
  for (const fields of ['*', 'labelIds,snippet,internalDate,payload', 'payload/*,labelIds,snippet,internalDate', whole])
    t.equal(readConfig({ ...text, GMAIL_FIELDS: fields }).GMAIL_FIELDS, fields)
  const lacking: [fields: string, missing: string][] = [
    [
      ALL.join(','),
      'payload/mimeType, payload/filename, payload/body/attachmentId, payload/body/size, payload/body/data, payload/parts',
    ],
    [whole.replace(',parts', ',parts(mimeType,body)'), 'payload/parts'],
    [whole.replace(',body', ',body/size'), 'payload/body/attachmentId, payload/body/data'],
  ]
  for (const [fields, missing] of lacking) {
    const message = `use payload instead of payload/headers, because MESSAGE_BODY=text reads ${missing}; or unset it, or set MESSAGE_BODY=snippet`
    t.throws(() => readConfig({ ...text, GMAIL_FIELDS: fields }), {
      kind: 'misconfigured',
      message: new RegExp(`^GMAIL_FIELDS: .*${message}$`),
    })
    t.equal(readConfig({ GMAIL_FIELDS: fields }).GMAIL_FIELDS, fields)
  }
  t.throws(() => readConfig({ MESSAGE_BODY: 'full' }), { message: /MESSAGE_BODY: .* one of snippet, text/ })
})

t.test('unknown fields are refused at the start, by name', async t => {
  const faults: [string, RegExp][] = [
    [`${ALL},subject`, /no message has subject$/],
    [`${ALL},payload/header`, /no message has payload\/header$/],
    [`${ALL},payload(headers(name,values)),Snippet`, /no message has payload\/headers\/values, Snippet$/],
    [`${ALL},id/name,constructor,__proto__`, /no message has id\/name, constructor, __proto__$/],
    ['id;threadId', /^names separated by commas/],
  ]
  for (const [fields, fault] of faults) {
    t.match(faultOfFields(fields), fault, fields)
    t.throws(() => readConfig({ GMAIL_FIELDS: fields }), { kind: 'misconfigured', message: /^GMAIL_FIELDS: / })
  }
})

t.test('a choice without required fields is refused, naming them', async t => {
  for (const missing of ALL.slice(2)) {
    const rest = ALL.filter(name => name !== missing).join(',')
    t.match(faultOfFields(rest), new RegExp(`tasks need ${missing}$`), missing)
  }
  t.match(faultOfFields('id,threadId'), /tasks need labelIds, snippet, payload\/headers, internalDate$/)
  t.match(faultOfFields(`${ALL.slice(0, 4)},internalDate,payload/headers/name`), /tasks need payload\/headers$/)
  t.match(faultOfFields('id,snipet'), /no message has snipet, and tasks need labelIds, snippet/)
})

t.test('an invalid choice of fields is refused at once', async t => {
  for (const fields of [
    '',
    ',',
    'id,',
    ',id',
    'payload(',
    'payload)',
    'payload()',
    'a b',
    'payload//headers',
    '(id)',
    '/id',
    'id)(',
  ]) {
    t.match(faultOfFields(fields), /^names separated by commas/, `"${fields}"`)
  }
  const begun = performance.now()
  for (const fields of ['a('.repeat(50_000), '('.repeat(100_000), 'a/'.repeat(50_000), 'a,'.repeat(50_000)]) {
    t.ok(faultOfFields(fields))
  }
  t.ok(performance.now() - begun < 1000)
})
