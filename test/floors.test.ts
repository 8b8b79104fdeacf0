import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { breaches } from './support/floors.ts'

const FOLDERS = ['shared', 'stages', 'pipeline', 'sim', 'bench', 'test']

/** The nearest folder above with the project's settings: this file runs from `dist/` too. */
function projectFolder(from = dirname(fileURLToPath(import.meta.url))): string {
  return readdirSync(from).includes('tsconfig.json') ? from : projectFolder(dirname(from))
}

function sources(): Map<string, string> {
  const root = projectFolder()
  const entries = FOLDERS.flatMap(folder =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true }).filter(({ name }) =>
      name.endsWith('.ts'),
    ),
  )
  const paths = entries.map(entry => join(entry.parentPath, entry.name))
  return new Map(paths.map(path => [relative(root, path), readFileSync(path, 'utf8')]))
}

t.test('every source keeps to its floor', async t => {
  const files = sources()
  t.ok(files.has('shared/stage.ts') && files.has('test/floors.test.ts'), `${files.size} files were read`)
  t.same(
    breaches(files).map(({ file, line, rule }) => `${file}:${line} ${rule}`),
    [],
  )
})

t.test('allowed code has no finding', async t => {
  const allowed: Record<string, string> = {
    'shared/a.ts': "import { z } from 'zod'\nimport { createHash } from 'node:crypto'\nimport { b } from './b.ts'",
    'shared/b.ts': 'export class Late extends Error {}\nexport const b = 1\nexport { c } from "./c.ts"',
    'shared/c.ts': 'export const c = 1',
    'shared/config.ts': 'export const read = () => process.env',
    'shared/gmail/d.ts':
      "import { b } from '../b.ts'\nimport { e } from './parts/e.ts'\nimport { connect } from 'node:net'",
    'shared/gmail/parts/e.ts':
      "import { gmail } from 'googleapis/build/src/apis/gmail/index.js'\nexport const e = gmail",
    'stages/f.ts': "import { b } from '../shared/b.ts'\nimport { createHash } from 'node:crypto'",
    'stages/l/l.ts': "import { m } from './m.ts'\nimport { b } from '../../shared/task/n.ts'",
    'stages/l/m.ts': 'export const m = 1',
    'shared/task/n.ts': "import { b } from '../b.ts'",
    'pipeline/commands/o.ts': "import { i } from '../base/i.ts'",
    'sim/g.ts':
      "import type { B } from '../shared/b.ts'\nimport { type C } from '../shared/c.ts'\nimport { h } from './h.ts'",
    'sim/h.ts': "import fastify from 'fastify'\nexport const h = fastify",
    'pipeline/base/i.ts':
      "import { f } from '../../stages/f.ts'\nimport { d } from '../../shared/gmail/d.ts'\nimport { g } from '../../sim/g.ts'",
    'pipeline/accounts/providers/p.ts': "export const isGmail = (id: string) => id === 'gmail'",
    'sim/q.ts': 'export const q = { gmail: 1, outlook: 2 }',
    'shared/redis/s.ts': "export const s = (redis: R) => redis.hset('a', 'b', 'c')",
    'bench/t.ts': "export const t = (redis: R) => redis.hset('a', 'b', 'c')",
    'pipeline/base/r.ts': 'export const r = { gmail: 1, graph: 2 }',
    'bench/j.ts': "import { i } from '../pipeline/base/i.ts'",
    'test/k.test.ts': `import { google } from 'googleapis'\nimport { i } from '../pipeline/base/i.ts'\nprocess.env.A${'\n'.repeat(300)}// long`,
  }
  t.same(breaches(new Map(Object.entries(allowed))), [])
})

const planted: { what: string; rule: RegExp; files: Record<string, string> }[] = [
  {
    what: 'a noun that imports an adapter',
    rule: /shared\/\*\.ts and its pure rooms import only one another/,
    files: { 'shared/a.ts': "import { b } from './redis/b.ts'" },
  },
  {
    what: 'a noun that reads files',
    rule: /does no input or output/,
    files: { 'shared/a.ts': "import { readFileSync } from 'node:fs'" },
  },
  {
    what: 'a noun that uses a library',
    rule: /imports ioredis/,
    files: { 'shared/a.ts': "import type { Redis } from 'ioredis'" },
  },
  {
    what: 'an adapter that imports its sibling',
    rule: /shared\/gmail\/ imports itself, shared\/http\/ and shared\/\*\.ts only/,
    files: { 'shared/gmail/a.ts': "import { b } from '../redis/b.ts'" },
  },
  {
    what: 'an adapter that imports the machinery',
    rule: /imports pipeline\/base\/b\.ts/,
    files: { 'shared/redis/a.ts': "import type { B } from '../../pipeline/base/b.ts'" },
  },
  {
    what: 'a stage that imports another',
    rule: /imports stages\/b\.ts/,
    files: { 'stages/a.ts': "import { b } from './b.ts'" },
  },
  {
    what: 'a stage that imports an adapter',
    rule: /imports shared\/redis\/b\.ts/,
    files: { 'stages/a.ts': "import { b } from '../shared/redis/b.ts'" },
  },
  {
    what: 'a stage that uses a library',
    rule: /a stage uses no library/,
    files: { 'stages/a.ts': "import { map } from 'rxjs'" },
  },
  {
    what: 'a stage that hides it in a dynamic import',
    rule: /imports node:fs/,
    files: { 'stages/a.ts': "export const a = () => import('node:fs')" },
  },
  {
    what: 'a simulator that imports our code',
    rule: /sim\/ imports itself and types/,
    files: { 'sim/a.ts': "import { type B, b } from '../shared/b.ts'" },
  },
  {
    what: 'a simulator that imports types of an adapter',
    rule: /sim\/ imports itself and types/,
    files: { 'sim/a.ts': "import type { B } from '../shared/gmail/b.ts'" },
  },
  {
    what: 'a program that imports a test',
    rule: /only tests import tests/,
    files: { 'pipeline/base/a.ts': "import { b } from '../../test/b.ts'" },
  },
  {
    what: 'a room that imports one above it',
    rule: /pipeline\/runtime\/ imports only the rooms below it/,
    files: { 'pipeline/runtime/a.ts': "import { b } from '../commands/b.ts'" },
  },
  {
    what: 'a room that imports the commands',
    rule: /imports only the rooms below it/,
    files: { 'pipeline/replay/a.ts': "export const a = () => import('../commands/b.ts')" },
  },
  { what: 'a file beside the rooms', rule: /is in no room/, files: { 'pipeline/a.ts': "import { b } from './b.ts'" } },
  {
    what: "a stage that imports another's room",
    rule: /a stage imports itself/,
    files: { 'stages/a/a.ts': "import { b } from '../b/b.ts'" },
  },
  {
    what: 'a pure room that imports an adapter',
    rule: /pure rooms import only one another/,
    files: { 'shared/task/a.ts': "import { b } from '../redis/b.ts'" },
  },
  {
    what: 'all of googleapis',
    rule: /imports all of googleapis/,
    files: { 'shared/gmail/a.ts': "import { google } from 'googleapis'" },
  },
  {
    what: 'a cycle, though of types',
    rule: /closes a cycle: pipeline\/base\/a\.ts → pipeline\/base\/b\.ts → pipeline\/base\/c\.ts → pipeline\/base\/a\.ts/,
    files: {
      'pipeline/base/a.ts': "import { b } from './b.ts'",
      'pipeline/base/b.ts': "import { c } from './c.ts'\nexport const b = c",
      'pipeline/base/c.ts': "import type { a } from './a.ts'\nexport const c = 1",
    },
  },
  { what: 'a barrel', rule: /only passes on/, files: { 'pipeline/base/a.ts': "export { b } from './b.ts'" } },
  {
    what: 'export *',
    rule: /exports \*/,
    files: { 'pipeline/base/a.ts': "export * from './b.ts'\nexport const a = 1" },
  },
  { what: 'a class', rule: /a class that is no error/, files: { 'pipeline/base/a.ts': 'export class Queue {}' } },
  {
    what: 'a class of a library',
    rule: /a class/,
    files: { 'pipeline/base/a.ts': 'const a = class extends Queue {}' },
  },
  { what: 'a default export', rule: /a default export/, files: { 'bench/a.ts': 'export default function a() {}' } },
  { what: 'a default value', rule: /a default export/, files: { 'bench/a.ts': 'export default 1' } },
  { what: 'a default name', rule: /a default export/, files: { 'bench/a.ts': 'const a = 1\nexport { a as default }' } },
  {
    what: 'process.env',
    rule: /reads process\.env/,
    files: { 'pipeline/base/a.ts': 'export const a = process.env.HOME' },
  },
  {
    what: "process['env']",
    rule: /reads process\.env/,
    files: { 'pipeline/base/a.ts': "export const a = process['env']" },
  },
  { what: 'env of process', rule: /reads process\.env/, files: { 'pipeline/base/a.ts': 'const { env } = process' } },
  {
    what: 'env of node:process',
    rule: /reads process\.env/,
    files: { 'pipeline/base/a.ts': "import { env } from 'node:process'" },
  },
  { what: 'stdout', rule: /writes to the terminal/, files: { 'bench/a.ts': "process.stdout.write('a')" } },
  {
    what: "process['stderr']",
    rule: /writes to the terminal/,
    files: { 'pipeline/base/a.ts': "process['stderr'].end()" },
  },
  { what: 'stderr of process', rule: /writes to the terminal/, files: { 'sim/a.ts': 'const { stderr: a } = process' } },
  { what: 'the console', rule: /writes to the terminal/, files: { 'shared/x/a.ts': "console.log('a')" } },
  {
    what: 'stdout of node:process',
    rule: /writes to the terminal/,
    files: { 'pipeline/base/a.ts': "import { stdout } from 'node:process'" },
  },
  ...[
    ['a test for Gmail', "export const a = (id: string) => id === 'gmail'"],
    ['a test for another than Outlook', "export const a = (id: string) => 'outlook' !== id"],
    ['a case of Outlook', "switch (a) { case 'outlook': b() }"],
    ['a list that is asked for Outlook', "export const a = (ids: string[]) => ids.includes('outlook')"],
    ['a mailbox that is asked for Gmail', "export const a = (id: string) => id.startsWith('gmail:')"],
    ['a table of providers', "export const a = { gmail: 1, 'outlook': 2 }"],
    ['a type of providers', 'export interface A { gmail: number; outlook: number }'],
  ].map(([what = '', text = '']) => ({ what, rule: /tells providers apart/, files: { 'pipeline/base/a.ts': text } })),
  ...[
    ['a hash', "export const a = (redis: Redis, keys: Keys) => redis.hset(keys.run('p00', 'r'), { opened: 1 })"],
    ['a hash in a transaction', "redis.multi().hdel(key, 'a').exec()"],
    ['a hash by name', "redis.call('HSET', key, 'a', 'b')"],
    ['a queue', 'redis.zadd(key, 1, member)'],
    ['a stream', "redis.xadd(key, '*', 'envelope', text)"],
  ].map(([what = '', text = '']) => ({
    what: `a writer of ${what}`,
    rule: /only shared\/redis\/ does/,
    files: { 'pipeline/base/a.ts': text },
  })),
  { what: 'a long file', rule: /has 251 lines: 250 at most/, files: { 'sim/a.ts': 'a()\n'.repeat(251) } },
]

for (const { what, rule, files } of planted) {
  t.test(`a breach is found: ${what}`, async t => {
    const found = breaches(new Map(Object.entries(files)))
    t.equal(found.length, 1)
    t.match(found[0]?.rule, rule)
  })
}
