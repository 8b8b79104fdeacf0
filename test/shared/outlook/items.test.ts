import { existsSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { type Reported, readDeltaPage, summarizeItems } from '../../../shared/outlook/items.ts'
import { resource } from './graph.ts'

const ALL = { labels: [], skip: [] }
const removed = (id: string, reason = 'deleted') => ({ id, '@removed': { reason } })
const mark = (id: string, isRead: unknown) => ({ '@odata.type': '#microsoft.graph.message', id, isRead })
const sorted = ({ ids, labels, messages, left, incomplete }: Reported) => ({
  ids: ids.map(({ id }) => id).sort(),
  labels: labels.map(({ id, added }) => `${id} ${added.length > 0 ? 'unread' : 'read'}`).sort(),
  messages: messages.map(({ id, subject, labels }) => `${id} ${subject} ${labels}`).sort(),
  left: [...left].sort(),
  incomplete: [...incomplete].sort(),
})
const NOTHING = { ids: [], labels: [], messages: [], left: [], incomplete: [] }

t.test('the last report of a folder counts', async t => {
  const reported = summarizeItems(
    [
      [
        resource('a', { subject: 'old' }),
        resource('b'),
        resource('a', { subject: 'new' }),
        mark('b', 'false'),
        mark('c', true),
      ],
    ],
    ALL,
  )
  t.same(sorted(reported), {
    ...NOTHING,
    ids: ['a', 'b'],
    labels: ['c read'],
    messages: ['a new ', 'b About b UNREAD'],
  })
})

t.test('a message that left one folder and is in another has moved', async t => {
  for (const folders of [
    [[removed('a')], [resource('a')]],
    [[resource('a')], [removed('a', 'changed')]],
  ]) {
    t.same(sorted(summarizeItems(folders, ALL)), { ...NOTHING, ids: ['a'], messages: ['a About a '] })
  }
  t.same(sorted(summarizeItems([[removed('a')], [removed('a')]], ALL)), { ...NOTHING, left: ['a'] })
  t.same(sorted(summarizeItems([[removed('a'), resource('a')]], ALL)), {
    ...NOTHING,
    ids: ['a'],
    messages: ['a About a '],
  })
})

t.test('partial items are requested and never cached', async t => {
  const partial = { id: 'a', conversationId: 'c', receivedDateTime: '2026-11-23T10:00:00Z', isRead: false }
  for (const items of [
    [partial],
    [{ id: 'a', subject: 'new' }],
    [{ id: 'a' }],
    [resource('a', { conversationId: undefined })],
    [resource('a', { receivedDateTime: 'soon' })],
    [resource('a'), partial],
    [partial, mark('a', true)],
  ]) {
    t.same(sorted(summarizeItems([items], ALL)), { ...NOTHING, incomplete: ['a'] }, JSON.stringify(items))
  }
})

t.test('contradictory items are requested', async t => {
  const doubts: [string, unknown[][]][] = [
    ['a new message is reported and then removed: items may be out of order', [[resource('a'), removed('a')]]],
    ['something is reported after it left', [[removed('a'), mark('a', true)]]],
    ['two folders report it differently', [[resource('a')], [resource('a', { isRead: false })]]],
    ['two folders mark it differently', [[mark('a', true)], [mark('a', false)]]],
    ['one folder reports it and another marks it', [[resource('a')], [mark('a', false)]]],
  ]
  for (const [why, folders] of doubts) {
    t.same(sorted(summarizeItems(folders, ALL)), { ...NOTHING, incomplete: ['a'] }, why)
    t.same(
      sorted(summarizeItems([...folders].reverse(), ALL)),
      { ...NOTHING, incomplete: ['a'] },
      `${why}, in the other order`,
    )
  }
  t.same(
    sorted(summarizeItems([[resource('a')], [resource('a', { '@odata.etag': 'W/"other"' })]], ALL)).ids,
    ['a'],
    'consistent reports need no request',
  )
})

t.test('filtered messages are named, because they may be known, but not cached', async t => {
  const filter = { labels: [], skip: ['DRAFT', 'Secret'] }
  const reported = summarizeItems(
    [[resource('a'), resource('b', { isDraft: true }), resource('c', { categories: ['Secret'] })]],
    filter,
  )
  t.same(reported.ids, [
    { id: 'a', thread: 'c-a' },
    { id: 'b', thread: 'c-b', filtered: 'labelled DRAFT' },
    { id: 'c', thread: 'c-c', filtered: 'labelled Secret' },
  ])
  t.same(
    reported.messages.map(({ id }) => id),
    ['a'],
  )
})

t.test('an invalid item is ignored', async t => {
  t.same(sorted(summarizeItems([[null, 'text', 7, {}, { id: '' }, { id: 7 }, []], []], ALL)), NOTHING)
  t.same(sorted(summarizeItems([], ALL)), NOTHING)
})

// A folder's report on a message, and the state it implies.
type Said = { id: string; word: 'whole' | 'read' | 'unread' | 'removed'; version: number }
const said: fc.Arbitrary<Said> = fc.record({
  id: fc.constantFrom('a', 'b', 'c'),
  word: fc.constantFrom('whole', 'read', 'unread', 'removed'),
  version: fc.nat({ max: 3 }),
})
const itemOf = ({ id, word, version }: Said) => {
  if (word === 'whole') return resource(id, { subject: `v${version}`, isRead: version % 2 === 0 })
  return word === 'removed' ? removed(id) : mark(id, word === 'read')
}

t.test('reports in any order give the last state, or a request', async t => {
  const folders = fc.array(fc.array(said, { maxLength: 12 }), { maxLength: 4 })
  fc.assert(
    fc.property(folders, folders => {
      const reported = sorted(
        summarizeItems(
          folders.map(words => words.map(itemOf)),
          ALL,
        ),
      )
      for (const id of ['a', 'b', 'c'])
        check(
          reported,
          id,
          folders.map(words => words.filter(word => word.id === id)),
        )
    }),
    { numRuns: 3000 },
  )
  t.pass()
})

function check(reported: ReturnType<typeof sorted>, id: string, folders: readonly (readonly Said[])[]): void {
  const speaking = folders.filter(words => words.length > 0)
  const [, ...more] = [
    ...reported.messages.filter(text => text.startsWith(`${id} `)),
    ...reported.labels.filter(text => text.startsWith(`${id} `)),
    ...reported.left.filter(one => one === id),
    ...reported.incomplete.filter(one => one === id),
  ]
  if (more.length > 0) throw new Error(`${id} is reported more than once`)
  const present = speaking.filter(words => words.at(-1)?.word !== 'removed')
  const isAsked = reported.incomplete.includes(id)
  if (speaking.length === 0 && isAsked) throw new Error(`${id} is requested without a report`)
  if (isAsked) {
    const onlyOne = speaking.length === 1 && speaking[0]?.every(({ word }) => word !== 'removed')
    if (onlyOne) throw new Error(`${id} is requested needlessly`)
    return
  }
  // A message in some folder must not be missed, and one in no folder must not be kept.
  if (reported.left.includes(id) !== (speaking.length > 0 && present.length === 0))
    throw new Error(`${id} is wrongly reported as left or present`)
  for (const words of present) {
    const last = lastOf(words)
    const says = last.whole
      ? reported.messages.includes(`${id} ${last.text}`)
      : reported.labels.includes(`${id} ${last.text}`)
    if (!says) throw new Error(`${id} is not what ${JSON.stringify(words)} says`)
  }
}

function lastOf(words: readonly Said[]): { whole: boolean; text: string } {
  const at = words.findLastIndex(({ word }) => word === 'whole')
  const [whole, ...marks] = at < 0 ? [undefined, ...words] : words.slice(at)
  const last = marks.at(-1)?.word
  if (!whole) return { whole: false, text: last ?? '' }
  const isRead = last === undefined ? whole.version % 2 === 0 : last === 'read'
  return { whole: true, text: `v${whole.version} ${isRead ? '' : 'UNREAD'}` }
}

t.test('a delta page is read, and anything else is refused', async t => {
  t.same(readDeltaPage({ status: 200, body: { value: [1], '@odata.nextLink': 'n' } }, 'listing'), {
    items: [1],
    next: 'n',
    later: undefined,
  })
  t.same(readDeltaPage({ status: 200, body: { value: [], '@odata.deltaLink': 'd', more: 1 } }, 'listing').later, 'd')
  t.throws(() => readDeltaPage({ status: 200, body: '<html>' }, 'listing'), { message: /damaged in transit/ })
  t.throws(() => readDeltaPage({ status: 200, body: { value: 'secret' } }, 'listing'), {
    message: /cannot be read \(value\)/,
  })
})

const sample = new URL('../../../../../shared/corpus/api/graph-docs-delta-query-messages.json', import.meta.url)
const withoutCorpus = existsSync(sample) ? {} : { skip: 'there is no corpus beside the project' }

t.test('the documented pages report removals and incomplete items', withoutCorpus, async t => {
  const { blocks } = JSON.parse(readFileSync(sample, 'utf8')) as { blocks: { json?: object }[] }
  const pages = blocks.flatMap(({ json }) => (json ? [readDeltaPage({ status: 200, body: json }, 'a sample')] : []))
  t.equal(pages.length, 4)
  t.ok(pages.slice(0, 2).every(({ next, later }) => next !== undefined && later === undefined))
  t.ok(pages.slice(2).every(({ next, later }) => next === undefined && later !== undefined))
  const reported = summarizeItems(
    pages.slice(3).map(({ items }) => items),
    ALL,
  )
  t.same(reported.left, ['AAMkADk0MGFkODE3LWE4MmYtNDRhOS0Dh_6qB-pB2Sa2pUum19a6YAAKnLuxoAAA='])
  t.same(reported.incomplete, ['AAMkADNkNAAASq35xAAA='])
})
