import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import t from 'tap'
import { parse } from 'yaml'
import { asyncapi } from '../../../pipeline/setup/asyncapi.ts'
import { breaksOf, type Fields, fieldsOf } from '../../../pipeline/setup/fields.ts'
import { FIELDS_FILE, fieldsOfStreams, generatedFiles } from '../../../pipeline/setup/generated.ts'
import { schemaOf } from '../../../pipeline/setup/schemas.ts'
import { analysisResults, analysisTasks, STREAMS } from '../../../shared/streams.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { ANA, startPipeline } from '../../support/pipeline.ts'
import { startRedis } from '../../support/redis.ts'
import { fakeSending, SENDS } from '../../support/sending.ts'

const root = fileURLToPath(new URL('../../../../', import.meta.url))
const text = (path: string) => (existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : undefined)
const remembered: Record<string, Fields> = JSON.parse(text(FIELDS_FILE) ?? '{}')

t.test('the generated files are up to date', async t => {
  const files = generatedFiles(remembered)
  t.equal(files.size, STREAMS.length + 2)
  for (const [path, generated] of files)
    t.ok(
      text(path) === generated,
      `${path} differs from shared/streams.ts: run npm run schemas and commit what it writes`,
    )
})

t.test('format version 1 keeps every field, its type, and whether it may be absent', async t => {
  const now = fieldsOfStreams()
  for (const [name, before] of Object.entries(remembered)) {
    const breaks = breaksOf(before, now[name] ?? {})
    t.same(
      breaks,
      [],
      `${name}: programs that read version 1 would break. Keep the field and add an optional one instead; or raise the version \`v\` and write down the fields of the new version beside ${FIELDS_FILE}`,
    )
  }
})

t.test('a removed, changed or newly required field is a break; a new optional one is none', async t => {
  const task = fieldsOfStreams()['analysis-tasks'] ?? {}
  t.match(task, {
    'body.messages[].date': 'string',
    'body.messages[].unreadable': /array of .*\?$/,
    'body.subject': 'string',
  })
  const { 'body.subject': _, ...without } = task
  t.same(breaksOf(task, without), ['body.subject (string) is gone'])
  const changed = (path: string, type: string) => breaksOf(task, { ...task, [path]: type })
  t.same(changed('body.messages[].date', 'number'), ['body.messages[].date was string, and is number'])
  t.same(changed('body.omitted', 'array of string'), ['body.omitted is required now'])
  t.same(changed('body.subject', 'string?'), ['body.subject may be absent now'])
  t.same(changed('body.mood', 'string'), ['body.mood is new and required'])
  t.same(changed('body.mood', 'string?'), [])
  t.same(breaksOf(task, { ...task, 'body.mood': 'object?', 'body.mood.name': 'string' }), [])
  t.same(changed('body.reason', '"new" | "grown" | "changed" | "asked"'), [], 'a new value')
  t.match(changed('body.reason', '"new" | "grown"'), [/^body.reason was /], 'a value that is gone')
})

t.test('fields of a schema are listed to their depth', async t => {
  const { body } = analysisResults
  const stream = { name: 'some', body: body as never }
  t.match(fieldsOf(schemaOf(stream)), { 'body.usage': 'object?', 'body.usage.inputTokens': 'integer', 'body.v': '1' })
})

t.test('asyncapi.yaml is an AsyncAPI 3.0 document, with every stream and an existing schema for each', async t => {
  const validate = new Ajv({ strict: false, validateFormats: false, meta: false, validateSchema: false }).compile(
    metaSchema(),
  )
  const document = parse(text('asyncapi.yaml') ?? '')
  t.ok(validate(document), JSON.stringify(validate.errors?.slice(0, 3)))
  t.notOk(validate({ ...document, operations: { a: { action: 'listen' } } }), 'a wrong action is found')
  t.notOk(validate({ ...document, channels: { a: { address: 1 } } }), 'a wrong address is found')
  t.same(document, asyncapi())
  t.same(
    Object.keys(document.channels),
    STREAMS.map(({ name }) => name),
  )
  const places = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, place = '']) => place)
  t.same(
    places.filter(place => !(place.startsWith('#/') ? at(document, place) : existsSync(join(root, place)))),
    [],
    'every reference leads somewhere',
  )
  t.match(document.operations, {
    'ai-dispatch-sends-analysis-tasks': { action: 'send' },
    'ai-send-receives-due-tasks': { action: 'receive' },
    'ai-send-sends-analysis-results': { action: 'send' },
    'worker-receives-analysis-tasks': { action: 'receive' },
    'worker-sends-analysis-results': { action: 'send' },
  })
  t.notOk(JSON.stringify(document.operations).includes('receives-analysis-results'), 'no stage reads answers')
})

t.test('what the pipeline writes fits the schemas, and what does not fit is refused', async t => {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const mailbox = fakeMailbox(40)
  mailbox.deliver(100, 30)
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  await pipeline.sync()
  const { sending } = fakeSending()
  const withSink = await startPipeline(redis, mailbox, { settings: SENDS, sending })
  t.teardown(() => withSink.stop())
  await withSink.sync()
  for (const { name } of STREAMS) {
    const validate = new Ajv2020().compile(JSON.parse(text(`schemas/${name}.json`) ?? ''))
    const found = [pipeline, withSink].map(({ app: { keys } }) =>
      redis.client.xrange(keys.stream(keys.partitionOf(ANA), name, 'bulk'), '-', '+'),
    )
    const entries = (await Promise.all(found)).flat()
    if (name !== 'cached-messages') t.ok(entries.length > 0, `${name} has entries`)
    for (const [, fields] of entries)
      t.ok(validate(JSON.parse(fields[1] ?? '')), `${name}: ${JSON.stringify(validate.errors)}`)
  }
  const [task] = await pipeline.read(analysisTasks)
  const validate = new Ajv2020().compile(JSON.parse(text('schemas/analysis-tasks.json') ?? ''))
  t.ok(validate({ v: 1, ...task }))
  t.notOk(validate({ v: 1, ...task, body: { ...task?.body, subject: 1 } }))
  t.notOk(validate({ v: 3, ...task }))
})

function metaSchema(): object {
  return JSON.parse(readFileSync(fileURLToPath(import.meta.resolve('@asyncapi/specs/schemas/3.0.0.json')), 'utf8'))
}

function at(document: unknown, place: string): unknown {
  return place
    .slice(2)
    .split('/')
    .reduce((value, name) => (value as Record<string, unknown> | undefined)?.[name], document)
}
