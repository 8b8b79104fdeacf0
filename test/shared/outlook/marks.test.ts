import t from 'tap'
import { keepMarks, readMarks } from '../../../shared/outlook/marks.ts'
import type { Links } from '../../../shared/provider/links.ts'

function linksOf(held: Map<string, string>): Links {
  return {
    keep: async texts => {
      const names = texts.map((_, place) => `n${held.size + place}`)
      for (const [place, text] of texts.entries()) held.set(names[place] ?? '', text)
      return names
    },
    read: async names => new Map(names.flatMap(name => (held.has(name) ? [[name, held.get(name) ?? '']] : []))),
    retire: async () => undefined,
    folders: async () => undefined,
    keepFolders: async () => undefined,
    faults: async () => new Map(),
    noteFaults: async () => undefined,
  }
}

t.test('marks survive a round trip, in the requested order', async t => {
  const links = linksOf(new Map())
  const marks = [
    { folder: 'a', at: 1 },
    { folder: 'b', at: 2, link: 'https://graph/next', restarts: 1 },
    { folder: 'c', at: 3, link: 'https://graph/delta', end: true },
  ]
  const kept = await keepMarks(links, marks)
  t.same(
    kept.map(({ mark }) => mark),
    marks,
  )
  const names = kept.map(({ name }) => name).reverse()
  t.same(await readMarks(links, names), [...kept].reverse())
  t.same(await keepMarks(links, []), [])
})

t.test('a lost or invalid mark is missing, and spoils no other', async t => {
  const held = new Map([
    ['text', 'no JSON'],
    ['other', '{"folder":7}'],
    ['null', 'null'],
    ['good', '{"folder":"a","at":1,"of":"a later version"}'],
  ])
  t.same(await readMarks(linksOf(held), ['text', 'gone', 'good', 'other', 'null']), [
    { name: 'good', mark: { folder: 'a', at: 1 } },
  ])
})
