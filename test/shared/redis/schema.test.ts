import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import ts from 'typescript'
import { SCHEMA } from '../../../shared/redis/schema.ts'
import { scriptText, withValues } from '../../../shared/redis/scripts.ts'
import { SCRIPTS } from '../../support/script-faults.ts'
import { nodesOf, placeOf, sourcesIn } from '../../support/sources.ts'

const lua = new URL('../../../shared/redis/lua/', import.meta.url)
const texts = Object.values(SCHEMA).flatMap(fields => Object.values(fields).filter(value => typeof value === 'string'))
const names = new Set(texts.filter(text => text !== ''))
// Also the name of a type in Redis, and of a kind of place where entries wait.
const OTHERWISE = new Set(['stream'])
// A hash of Redis, by command; a template's fixed beginning counts as a name.
const HASH_COMMANDS = /^h(get|mget|set|setnx|mset|del|exists|incrby|strlen)$/
// Names that are no ordinary words: two words, or a prefix.
const UNMISTAKABLE = /[a-z][A-Z]|[a-z]:$/
const SECONDS = new Set(['3600', '86400', '604800'])

t.test('a script names everything it stores by the schema', t => {
  const files = readdirSync(lua).map(file => [file, readFileSync(new URL(file, lua), 'utf8')] as const)
  const spelled = files.flatMap(([file, text]) =>
    text.split('\n').flatMap((line, index) => {
      // Without comments, and without the words that a script answers with.
      const code = line.replace(/^\s*--.*|\breturn\b.*|\bstate ==? '\w+'/g, '')
      const found = [...code.matchAll(/'([^']*)'/g)].map(([, literal = '']) => literal).filter(isSpelled)
      const capped = /'(MAXLEN|EX|EXPIRE)',.* \d{2,}/.test(code)
      return [...found, ...(capped ? ['a number'] : [])].map(what => `${file}:${index + 1} spells ${what}`)
    }),
  )
  t.ok(files.length > 40, `${files.length} files were read`)
  t.same(spelled, [])
  t.end()
})

t.test('so does TypeScript', t => {
  const files = sourcesIn(['shared', 'stages', 'pipeline'])
  const spelled = [...files].flatMap(([file, source]) => {
    if (file === 'shared/redis/schema.ts' || file === 'shared/redis/keys.ts') return []
    const inRedis = file.startsWith('shared/redis/')
    return nodesOf(source).flatMap(node => {
      if (ts.isCallExpression(node)) return inHashCall(node)
      if (!inRedis) return []
      if (isLiteral(node) && UNMISTAKABLE.test(node.text) && isSpelled(node.text))
        return [`${placeOf(node)} ${node.text}`]
      if (ts.isNumericLiteral(node) && SECONDS.has(node.text)) return [`${placeOf(node)} ${node.text}`]
      return []
    })
  })
  t.ok(files.size > 200, `${files.size} files were read`)
  t.same(spelled, [])
  t.end()
})

t.test('a name that the schema does not have fails when its script is loaded', t => {
  t.throws(() => withValues('get(key, RUN.startdAt)', 'some'), {
    message: 'some.lua names RUN.startdAt, which shared/redis/schema.ts does not have',
  })
  t.throws(() => withValues('get(key, RAN.startedAt)', 'some'), /some\.lua names RAN\.startedAt/)
  t.throws(() => withValues('get(key, RUN.constructor)', 'some'), /names RUN\.constructor/)
  t.equal(withValues('get(key, RUN.cost .. id, LIMIT.openWindows)', 'some'), "get(key, 'cost:' .. id, 2)")
  for (const script of SCRIPTS) {
    const [left] = scriptText(script).match(/^(?!\s*--).*\b[A-Z][A-Z_]+\.\w+.*$/m) ?? []
    t.equal(left, undefined, script)
  }
  t.end()
})

t.test('a value of the schema needs no escape in a script', t => {
  t.same(
    texts.filter(text => !/^[\w:#-]*$/.test(text)),
    [],
  )
  t.end()
})

function isSpelled(text: string): boolean {
  return names.has(text) && !OTHERWISE.has(text)
}

function isLiteral(node: ts.Node): node is ts.StringLiteral | ts.TemplateHead | ts.NoSubstitutionTemplateLiteral {
  return ts.isStringLiteral(node) || ts.isTemplateHead(node) || ts.isNoSubstitutionTemplateLiteral(node)
}

function inHashCall(call: ts.CallExpression): string[] {
  const { expression } = call
  if (!ts.isPropertyAccessExpression(expression) || !HASH_COMMANDS.test(expression.name.text)) return []
  const words = call.arguments.flatMap(nodesOf).flatMap((node): (ts.Node & { text: string })[] => {
    if (isLiteral(node)) return [node]
    return ts.isPropertyAssignment(node) && ts.isIdentifier(node.name) ? [node.name] : []
  })
  return words.filter(({ text }) => isSpelled(text)).map(node => `${placeOf(node)} ${node.text}`)
}
