import t from 'tap'
import ts from 'typescript'
import { directUsesIn, type Finding, repeatedSchemasIn, stateIn } from './support/module-state.ts'
import { sourcesIn } from './support/sources.ts'

t.test('no module keeps state, so that a process can run two pipelines', async t => {
  const sources = sourcesIn(['shared', 'stages', 'pipeline', 'sim'])
  t.ok(sources.size > 300, `${sources.size} files were read`)
  t.same(shown(stateIn(sources)), [])
})

t.test('clocks, timers, chance and connections are values', async t => {
  const sources = sourcesIn(['shared', 'stages', 'pipeline'])
  t.same(shown([...sources.values()].flatMap(directUsesIn)), [])
})

t.test('schemas are made once', async t => {
  const sources = sourcesIn(['shared', 'stages', 'pipeline', 'sim'])
  t.same(shown([...sources.values()].flatMap(repeatedSchemasIn)), [])
  const inside = 'export const f = (x: unknown) => z.object({ a: z.string() }).parse(x)'
  t.equal(repeatedSchemasIn(parsed('shared/a.ts', inside)).length, 2)
  t.same(
    repeatedSchemasIn(parsed('shared/a.ts', 'const s = z.string()\nexport const f = (x: unknown) => s.parse(x)')),
    [],
  )
})

const STATE: Readonly<Record<string, string>> = {
  'a variable': 'let count = 0',
  'an exported variable': 'export let count = 0',
  'a map that functions fill': 'const known = new Map<string, string>()',
  'a weak set': 'export const known = new WeakSet<object>()',
  'an empty list': 'const all: string[] = []',
  'an empty object': 'const all = {} as Record<string, number>',
  'a list that is sorted': 'const ALL = [1]\nexport const f = () => ALL.sort()',
  'a set with values that is added to': "const ALL = new Set(['a'])\nexport const f = (x: string) => ALL.add(x)",
  'a field that is assigned': 'const A = { b: { c: 1 } }\nexport const f = () => { A.b.c = 2 }',
  'a field that is counted': 'const A = { b: 1 }\nexport const f = () => { A.b += 1 }',
  'an element that is deleted': "const A: Record<string, number> = { b: 1 }\nexport const f = () => delete A['b']",
  'a step': 'const A = { b: 1 }\nexport const f = () => A.b++',
  'an object that is merged into': 'const A = { b: 1 }\nexport const f = () => Object.assign(A, { b: 2 })',
  'an agent inside a table': "const direct = { 'http:': new HttpAgent(KEPT) }",
  'a controller': 'const gone = new AbortController()',
  'an expression that continues where it was': 'const WORD = /a/g\nexport const f = (x: string) => WORD.exec(x)',
  'a function that remembers':
    'const f = counter()\nfunction counter() { let n = 0; return () => { n += 1; return n } }',
  'a function that remembers connections':
    'export const f = made()\nfunction made() { const seen = new WeakSet(); return (x: object) => seen.has(x) }',
}

for (const [what, text] of Object.entries(STATE)) {
  t.test(`state of a module is found: ${what}`, async t => {
    t.equal(stateIn(new Map([['shared/a.ts', parsed('shared/a.ts', text)]])).length, 1)
  })
}

t.test('state of a function from another module is found', async t => {
  const files = {
    'shared/a.ts': "import { counter } from './b.ts'\nexport const count = counter()",
    'shared/b.ts': 'export function counter() { let n = 0; return { next: () => { n += 1; return n } } }',
  }
  const sources = new Map(Object.entries(files).map(([file, text]) => [file, parsed(file, text)]))
  t.same(shown(stateIn(sources)), ['shared/a.ts:2 count is made by counter, which keeps state'])
})

t.test('constants are no state', async t => {
  const texts = [
    "const NAMES = new Set(['a'])\nexport const f = (x: string) => NAMES.has(x)",
    'const nothing: ReadonlySet<string> = new Set()',
    'const WORD = /a/g\nexport const f = (x: string) => x.replace(WORD, "")',
    'const schema = z.object({ a: z.array(z.string()) })',
    "const ALL = ['a', 'b'] as const\nexport const f = () => [...ALL].sort()",
    'export function f() { let count = 0; const seen = new Set(); seen.add(count); count += 1; return count }',
    'const LIMITS = limits()\nfunction limits() { const list = new BlockList(); list.addAddress("::1"); return list }',
  ]
  for (const text of texts) t.same(stateIn(new Map([['shared/a.ts', parsed('shared/a.ts', text)]])), [], text)
})

const USES: Readonly<Record<string, string>> = {
  'Date.now': 'const a = () => Date.now()',
  'Date.now as a value': 'export const a = ({ now = Date.now }) => now()',
  'new Date()': 'const a = () => new Date()',
  'Math.random': 'const a = { random: Math.random }',
  'performance.now': 'const a = () => performance.now()',
  setTimeout: 'setTimeout(() => undefined, 5)',
  'setInterval of globalThis': 'globalThis.setInterval(() => undefined, 5)',
  'setTimeout of node:timers': "import { setTimeout as sleep } from 'node:timers/promises'",
  'AbortSignal.timeout': 'const signal = AbortSignal.timeout(5)',
  randomUUID: "import { randomUUID } from 'node:crypto'",
  'MACHINE itself': "import { MACHINE } from './machine.ts'\nexport const a = () => MACHINE.date()",
  openHttp: "import { openHttp } from '../../shared/http/exchange.ts'",
  openTerminal: "import { openTerminal } from './terminal.ts'",
  openRedis: "import { openRedis } from '../../shared/redis/connect.ts'",
}

for (const [what, text] of Object.entries(USES)) {
  t.test(`a direct use is found: ${what}`, async t => {
    t.equal(directUsesIn(parsed('pipeline/base/a.ts', text)).length, 1)
  })
}

t.test('values are no direct use', async t => {
  const texts = [
    "import { MACHINE } from './machine.ts'\nexport const a = ({ date } = MACHINE, b = MACHINE.uuid) => [date(), b()]",
    'export const a = (sending: Sending) => sending.setTimeout(5)',
    'const a = new Date(5)',
    "import { createHash } from 'node:crypto'",
    'export interface A { setTimeout(ms: number): void }',
  ]
  for (const text of texts) t.same(directUsesIn(parsed('pipeline/base/a.ts', text)), [], text)
})

function parsed(file: string, text: string): ts.SourceFile {
  return ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
}

function shown(findings: readonly Finding[]): string[] {
  return findings.map(({ place, rule }) => `${place} ${rule}`)
}
