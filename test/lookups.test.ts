import t from 'tap'
import ts from 'typescript'
import { errorOf as googleErrorOf } from '../shared/gmail/errors.ts'
import { errorOf as graphErrorOf, isNotFound } from '../shared/outlook/errors.ts'
import { leftOutAt, readable } from '../shared/outlook/folders.ts'
import { loginError } from '../shared/outlook/login-errors.ts'
import { ownOf } from '../shared/own.ts'
import { mailDateMs } from '../sim/date.ts'
import { parseLine } from '../sim/draws.ts'
import { systemLabel } from '../sim/labels.ts'
import { nodesOf, placeOf, sourcesIn } from './support/sources.ts'

const NAMES = ['constructor', '__proto__', 'toString', 'valueOf', 'hasOwnProperty', 'CONSTRUCTOR', 'ToString']

t.test('outside names are looked up through a Map or ownOf', async t => {
  const sources = [...sourcesIn(['shared', 'stages', 'pipeline', 'sim']).values()]
  const found = sources.filter(({ fileName }) => !fileName.endsWith('/own.ts')).flatMap(looseLookupsIn)
  t.same(found, [])
})

t.test('a table indexed with an outside name is found', async t => {
  const planted = [
    'const A: Record<string, number> = {}; A[name]',
    'const A: Readonly<Record<string, number>> = {}; A[name.toLowerCase()] = 1',
    'function f(all: Partial<Record<string, number>>) { return name in all }',
    "const A = { a: 1, b: 2 }; const f = (name: string) => A[name as 'a']",
    'function f(x: unknown) { return (x as Record<string, string>)[name] }',
  ]
  for (const text of planted) {
    const source = ts.createSourceFile('a.ts', text, ts.ScriptTarget.Latest, true)
    t.equal(looseLookupsIn(source).length, 1, text)
  }
  const sound = [
    'const A: Record<Kind, number> = x; A[kind]',
    "const A: Record<string, number> = {}; A['a']",
    'const A = [1]; A[place]',
  ]
  for (const text of sound)
    t.same(looseLookupsIn(ts.createSourceFile('a.ts', text, ts.ScriptTarget.Latest, true)), [], text)
})

t.test('codes such as constructor are unknown codes', async t => {
  const kinds = (judge: (name: string) => { kind: string; message: string }) => {
    for (const name of NAMES) {
      const [judged, usual] = [judge(name), judge(name.startsWith('_') ? '__neverheardof__' : 'neverHeardOf')]
      t.equal(judged.kind, usual.kind, name)
      t.notMatch(judged.message, /native code|\[object/, name)
    }
  }
  for (const status of [400, 401, 403, 404, 429, 500]) {
    kinds(name =>
      googleErrorOf({ status, body: { error: { code: status, errors: [{ reason: name }], status: name } } }, 'a test'),
    )
    kinds(name => googleErrorOf({ status, body: { error: name } }, 'a test'))
    kinds(name => graphErrorOf({ status, body: { error: { code: name, innerError: { code: name } } } }, 'a test'))
    kinds(name => loginError({ status, body: { error: name.toLowerCase(), error_codes: [1] } }, 'a test'))
  }
  for (const name of NAMES) t.equal(isNotFound({ status: 404, body: { error: { code: name } } }), false, name)
})

t.test('labels, folders, zones and settings may have such names', async t => {
  for (const name of NAMES) {
    t.equal(systemLabel(name), undefined, name)
    t.equal(mailDateMs(`Thu, 01 Oct 2026 00:00:00 ${name}`), mailDateMs('Thu, 01 Oct 2026 00:00:00 XYZ'), name)
    t.throws(() => parseLine(`${name}=1`, { kinds: ['reset'], others: [] }), { message: /there is no fault/ }, name)
    const folders = {
      link: '',
      parents: Object.fromEntries([
        [name, ''],
        ['b', name],
      ]),
      wellKnown: {},
      confirmed: true,
    }
    t.same(readable(folders, [name]), [name, 'b'].sort(), name)
    t.equal(leftOutAt({ ...folders, parents: {} }, name, []), 'in a folder that is not known yet', name)
    t.equal(ownOf({}, name), undefined)
  }
})

// Tables whose type accepts any name, or that are indexed with a cast name.
function looseLookupsIn(source: ts.SourceFile): string[] {
  const nodes = nodesOf(source)
  const tables = new Set<string>()
  for (const node of nodes) {
    const isTyped = ts.isVariableDeclaration(node) || ts.isParameter(node) || ts.isPropertySignature(node)
    if (isTyped && node.type && isLoose(node.type)) tables.add(node.name.getText())
  }
  return nodes.flatMap(node => {
    if (ts.isElementAccessExpression(node)) {
      const { expression, argumentExpression: name } = node
      if (ts.isStringLiteralLike(name) || ts.isNumericLiteral(name)) return []
      const isTable = tables.has(lastName(expression)) || isCastLoosely(expression)
      return isTable || isCastName(name) ? [`${placeOf(node)} ${node.getText()}`] : []
    }
    const isSearch = ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.InKeyword
    return isSearch && !ts.isStringLiteralLike(node.left) && tables.has(lastName(node.right))
      ? [`${placeOf(node)} ${node.getText()}`]
      : []
  })
}

function isLoose(type: ts.TypeNode): boolean {
  return /^(?:(?:Readonly|Partial)<)*Record<string,/.test(type.getText())
}

function isCastLoosely(node: ts.Expression): boolean {
  const inner = ts.isParenthesizedExpression(node) ? node.expression : node
  // Redis's own commands are added to its client by name.
  return ts.isAsExpression(inner) && isLoose(inner.type) && !inner.getText().includes('redis as unknown')
}

function isCastName(name: ts.Expression): boolean {
  return ts.isAsExpression(name) && name.type.getText() !== 'const'
}

function lastName(node: ts.Expression): string {
  return ts.isPropertyAccessExpression(node) ? node.name.text : node.getText()
}
