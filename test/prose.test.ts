import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { AVOIDED, avoidedIn, avoidedInLua, type Finding, measure, pathsIn, sentencesOf } from './support/prose.ts'

const FOLDERS = ['shared', 'stages', 'pipeline', 'sim', 'bench', 'examples', 'test']
// The list itself, and the tests of it.
const LISTS = ['test/support/prose.ts', 'test/prose.test.ts']
// Mail of the demo, and languages of labels: other people's words.
const DATA = /^sim\/(demo-\w+|label-languages)\.ts$/
const MOST = { readmeWords: 1200, readmeSentence: 18, architectureLines: 250, architectureSentence: 20, glossary: 15 }

const root = projectFolder()
const text = (file: string) => readFileSync(join(root, file), 'utf8')
const documents = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', ...guides()]

/** The nearest folder above with the project's settings: this file runs from `dist/` too. */
function projectFolder(from = dirname(fileURLToPath(import.meta.url))): string {
  return readdirSync(from).includes('tsconfig.json') ? from : projectFolder(dirname(from))
}

function guides(): string[] {
  return readdirSync(join(root, 'docs')).flatMap(name => (name.endsWith('.md') ? [`docs/${name}`] : []))
}

function filesWith(ending: RegExp): string[] {
  const entries = FOLDERS.flatMap(folder => readdirSync(join(root, folder), { recursive: true, withFileTypes: true }))
  return entries
    .filter(({ name }) => ending.test(name))
    .map(entry => relative(root, join(entry.parentPath, entry.name)))
    .filter(file => !LISTS.includes(file))
}

function shown({ file, line, words, plain }: Finding): string {
  return `${file}:${line} "${words}": say ${plain}`
}

t.test('README is short, and so are its sentences', async t => {
  const { words, perSentence } = measure(text('README.md'))
  t.ok(words > 300, `${words} words`)
  t.ok(words <= MOST.readmeWords, `${words} words of prose`)
  t.ok(perSentence <= MOST.readmeSentence, `${perSentence.toFixed(1)} words a sentence`)
})

t.test('ARCHITECTURE is short, has a small glossary, and draws the stages and a run', async t => {
  const document = text('ARCHITECTURE.md')
  const lines = document.trimEnd().split('\n').length
  t.ok(lines <= MOST.architectureLines, `${lines} lines`)
  const { words, perSentence } = measure(document)
  t.ok(words > 300, `${words} words`)
  t.ok(perSentence <= MOST.architectureSentence, `${perSentence.toFixed(1)} words a sentence`)
  const glossary = /^## Glossary\n([\s\S]*?)^## /m.exec(document)?.[1] ?? ''
  const terms = [...glossary.matchAll(/^\| (?!word |---)/gm)].length
  t.ok(terms > 0 && terms <= MOST.glossary, `${terms} terms`)
  t.match(document, /```mermaid\nflowchart /)
  t.match(document, /```mermaid\nstateDiagram-v2/)
})

t.test('the other documents have short sentences', async t => {
  for (const file of documents) {
    const { perSentence } = measure(text(file))
    t.ok(perSentence <= MOST.architectureSentence, `${file}: ${perSentence.toFixed(1)} words a sentence`)
  }
})

t.test('every path and link in the documents exists', async t => {
  for (const file of documents) {
    const named = pathsIn(text(file))
    t.same(
      named.filter(path => !existsSync(join(root, path))),
      [],
      file,
    )
    const links = [...text(file).matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, link = '']) => link)
    t.same(
      links.filter(link => !existsSync(join(root, dirname(file), link))),
      [],
      `links of ${file}`,
    )
  }
})

t.test('every fault in docs/faults.md names a test', async t => {
  const rows = text('docs/faults.md')
    .split('\n')
    .filter(line => /^\| (?!fault |event |---)/.test(line))
  t.ok(rows.length > 50, `${rows.length} faults`)
  for (const row of rows) {
    const cells = row.split(' | ')
    const tests = [...(cells.at(-1) ?? '').matchAll(/`(test\/[^`]+\.test\.ts)`/g)].map(([, name = '']) => name)
    t.ok(tests.length > 0 && tests.every(name => existsSync(join(root, name))), row.slice(0, 60))
  }
})

t.test('docs/settings.md describes every setting of .env.example', async t => {
  const described = text('docs/settings.md')
    .split('\n')
    .flatMap(line => [...(/^\| (`[^|]*`) \|/.exec(line)?.[1] ?? '').matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name))
  const settings = [...text('.env.example').matchAll(/^# ([A-Z_]{4,})=/gm)].map(([, name]) => name)
  t.same([...described].sort(), [...settings].sort())
})

t.test('README has a row for every command', async t => {
  const rows = text('README.md')
    .split('\n')
    .filter(line => line.startsWith('| `'))
  const cells = rows.map(row => row.split(' | ')[0] ?? '').join(' ')
  const names = [...text('pipeline/commands/list.ts').matchAll(/name: '([\w-]+)'/g)].map(([, name = '']) => name)
  t.ok(names.length > 15)
  t.same(
    names.filter(name => !new RegExp(`[\`, ]${name}[\`, ]`).test(cells)),
    [],
  )
})

t.test('no name, comment or text uses an avoided word', async t => {
  const sources = filesWith(/\.(ts|mjs)$/)
  t.ok(sources.length > 500, `${sources.length} files`)
  const found = [
    ...sources.flatMap(file => avoidedIn(file, text(file), { texts: !DATA.test(file) })),
    ...filesWith(/\.lua$/).flatMap(file => avoidedInLua(file, text(file))),
  ]
  t.same(found.map(shown), [])
})

t.test('avoided words are found wherever they are planted', async t => {
  const planted: Record<string, string> = {
    'an identifier': 'const openOffice = 1',
    'a type': 'interface Office {}',
    'a part of a name': 'const whereaboutsOf = 1',
    'a line comment': '// Read anew.',
    'a comment at the end of a line': 'const a = 1 // read anew',
    'a doc comment': '/**\n * Reads it by\n * and by.\n */\nconst a = 1',
    'a comment at the end of a file': 'const a = 1\n// anew',
    'a string': "log.warn('the mailbox is looked at')",
    'a template': `log.warn(\`\${mailbox} is buried\`)`,
  }
  for (const [where, source] of Object.entries(planted)) t.equal(avoidedIn('shared/a.ts', source).length, 1, where)
  t.match(avoidedIn('pipeline/base/look-at.ts', ''), [{ words: 'look at' }], 'a path')
  t.match(avoidedIn('test/a.test.ts', "t.test('mail is let go', async t => {})"), [{ words: 'let go' }])
  t.match(avoidedInLua('shared/redis/lua/a.lua', 'local a = 1\n-- begins anew'), [{ words: 'anew', line: 2 }])
  for (const { words, only = ['shared/'] } of AVOIDED)
    t.match(avoidedIn(`${only[0]}a.ts`, `const a = { '${words}': ${words.replaceAll(' ', '_')} }`), [{ words }])
})

t.test('allowed words are not found', async t => {
  const allowed: Record<string, string> = {
    'shared/a.ts': "const request = history.renewed // The world's history looks at quests.",
    'pipeline/base/a.ts': '/** Uses `performance.now()`. */\nconst a = performance.now()',
    'test/a.test.ts': "const subject = 'told anew'",
    'sim/world.ts': 'interface World {}',
    'shared/b.ts': "const site = 'outlook.office.com'",
  }
  for (const [file, source] of Object.entries(allowed)) t.same(avoidedIn(file, source), [], file)
})

t.test('prose is measured without headings, tables and code', async t => {
  const document =
    '# A title. Of two\n\nOne two three. Four `five six` seven!\n\n| a | table |\n\n```sh\ncode here\n```\n- An\n  item\n- Another: `x`\n'
  t.same(sentencesOf(document), ['One two three.', 'Four `five six` seven!', 'An item', 'Another: `x`'])
  t.equal(measure(document).words, 10)
  t.ok(measure(`${'word '.repeat(19)}.`).perSentence > MOST.readmeSentence)
  t.ok(measure('Short words. '.repeat(601)).words > MOST.readmeWords)
  t.same(pathsIn('See `shared/a.ts`, `stages/<name>.ts`, `node dist/a.js` and `pipeline/`.'), [
    'shared/a.ts',
    'pipeline/',
  ])
})
