import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

interface Locked {
  version?: string
  integrity?: string
  resolved?: string
  license?: string
  dev?: boolean
  link?: boolean
}

const ALLOWED = /^(MIT|MIT-0|ISC|0BSD|BSD|BSD-[23]-Clause|Apache-2\.0|BlueOak-1\.0\.0|MPL-2\.0)$/
const root = projectFolder()
const json = (...path: string[]) => JSON.parse(readFileSync(join(root, ...path), 'utf8'))
const locked = Object.entries(json('package-lock.json').packages as Record<string, Locked>).filter(
  ([place, { link }]) => place !== '' && !link,
)

/** The nearest folder above with the project's settings: this file runs from `dist/` too. */
function projectFolder(from = dirname(fileURLToPath(import.meta.url))): string {
  return readdirSync(from).includes('tsconfig.json') ? from : projectFolder(dirname(from))
}

t.test('every locked package has a checksum and comes from the npm registry', async t => {
  t.ok(locked.length > 300)
  t.same(
    locked.flatMap(([place, { integrity = '' }]) => (/^sha512-[A-Za-z\d+/]{86}==$/.test(integrity) ? [] : [place])),
    [],
    'no checksum: `npm install --package-lock-only` asks the registry for it',
  )
  const hosts = locked.flatMap(([, { resolved }]) => (resolved === undefined ? [] : [new URL(resolved).host]))
  t.same(
    hosts.filter(host => host !== 'registry.npmjs.org'),
    [],
  )
})

t.test('docs/dependencies.md has a row with licence, releases and reason per dependency', async t => {
  const rows = [...readFileSync(join(root, 'docs', 'dependencies.md'), 'utf8').matchAll(/^\| `(.*)` \| (.*) \|$/gm)]
  const asked = json('package.json').dependencies as Record<string, string>
  t.same(rows.map(([, name]) => name).sort(), Object.keys(asked).sort())
  for (const [, name = '', rest = ''] of rows) {
    const [used = '', newest = '', licence = '', why = ''] = rest.split(' | ')
    const [, version, released] = /^(\S+) \((\d{4}-\d\d-\d\d)\)$/.exec(used) ?? []
    t.equal(version, asked[name], `${name}: the version in use`)
    t.match(newest, /^\d+\.\d+\.\d+ \(\d{4}-\d\d-\d\d\)$/, `${name}: the newest`)
    for (const date of [released, newest.slice(-11, -1)])
      t.ok(Date.parse(date ?? '') > Date.UTC(2010, 0), `${name}: ${date} is a date`)
    t.equal(licence, json('node_modules', name, 'package.json').license, `${name}: its licence`)
    t.match(why, /^\p{Lu}.{15,}\.$/u, `${name}: why it is needed`)
  }
})

t.test('every production package has an accepted licence', async t => {
  const others = locked.filter(([, { dev, license = '' }]) => !dev && !ALLOWED.test(license))
  t.same(
    others.map(([place, { license }]) => `${place}: ${license}`),
    [],
  )
})
