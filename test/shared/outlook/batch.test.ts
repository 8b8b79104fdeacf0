import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { parseGraphBatch } from '../../../shared/outlook/batch.ts'

t.test("each part is found by its request's id, in any order", async t => {
  const parts = parseGraphBatch({
    responses: [
      { id: '2', status: 429, headers: { 'Retry-After': '2.128' }, body: { error: { code: 'TooManyRequests' } } },
      { id: '3', status: 204, body: null },
      { id: '1', status: 200, body: { value: [] } },
    ],
  })
  t.same([...parts.keys()], ['2', '3', '1'])
  t.match(parts.get('2'), { status: 429, headers: { 'Retry-After': '2.128' } })
  t.same(parts.get('3'), { id: '3', status: 204, headers: {} })
  t.match(parts.get('1'), { status: 200, body: { value: [] } })
})

t.test('another document is unparsable', async t => {
  for (const answer of [undefined, {}, { responses: 'none' }, { error: { code: 'BadRequest' } }]) {
    t.throws(() => parseGraphBatch(answer), { message: /contains no list of responses/ })
  }
})

t.test('a truncated answer is retried', async t => {
  t.throws(() => parseGraphBatch('{"responses":[{"id":"1","sta'), { message: /damaged in transit/ })
})

t.test('an invalid part spoils no other, and disputed parts are dropped', async t => {
  const parts = parseGraphBatch({
    responses: [
      { status: 200, body: 'of nobody' },
      { id: '0', status: 'fine' },
      null,
      { id: '1', status: 200, headers: { 'Retry-After': 3, Odd: { a: 1 } }, body: { n: 1 } },
      { id: '2', status: 200, body: { n: 2 } },
      { id: '2', status: 404 },
      { id: '3', status: 200, headers: ['none'], body: { n: 3 } },
    ],
  })
  t.same([...parts.keys()], ['1', '3'])
  t.match(parts.get('1'), { headers: { 'Retry-After': '3' } })
  t.same(parts.get('3'), { id: '3', status: 200, headers: {}, body: { n: 3 } })
})

const corpus = new URL('../../../../../shared/corpus/api/', import.meta.url)
const withoutCorpus = existsSync(corpus) ? {} : { skip: 'there is no corpus beside the project' }

t.test('answers of the SDK tests have the right status on the right id', withoutCorpus, async t => {
  const read = (name: string) => JSON.parse(readFileSync(new URL(name, corpus), 'utf8'))
  const statuses = (answer: unknown) =>
    Object.fromEntries([...parseGraphBatch(answer)].map(([id, { status }]) => [id, status]))
  t.same(statuses(read('graph-batch-response-javascript-sdk.json')), { 1: 302, 2: 200, 3: 401, 4: 204 })
  const { answers } = read('graph-batch-responses-dotnet-core.json') as {
    answers: { responses: { id: string; status: number }[] }[]
  }
  t.ok(answers.length > 1)
  for (const answer of answers) {
    t.same(statuses(answer), Object.fromEntries(answer.responses.map(({ id, status }) => [id, status])))
  }
})
