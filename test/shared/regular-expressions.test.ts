import t from 'tap'
import ts from 'typescript'
import { countSteps, parsePattern } from '../support/backtracking.ts'
import { hostileTo, slowTextFor, textOf } from '../support/hostile-text.ts'
import { nodesOf, placeOf, sourcesIn } from '../support/sources.ts'

const FOLDERS = ['shared', 'stages', 'pipeline', 'sim']

for (const folder of FOLDERS) {
  t.test(`no regular expression of ${folder}/ takes more than linear time`, async t => {
    const expressions = [...sourcesIn([folder]).values()].flatMap(expressionsIn)
    t.ok(folder === 'stages' || expressions.length > 20, `${expressions.length} were found`)
    for (const { place, expression } of expressions) {
      const slow = slowTextFor(expression)
      if (slow) t.fail(`${place} ${expression} is slow on ${JSON.stringify(textOf(slow, 1))}`)
    }
  })
}

t.test('slow expressions are detected', async t => {
  const slow = [
    /^(\d+\.?\d*|\.\d+)(?:\s*s)?$/i,
    /^([^\s:]+)\s*:\s*(.*?)\s*$/,
    /^(gmail|outlook):([^\s:{}]+@[^\s:{}]+)$/i,
    /\b(account|user)\b.*\b(suspended|disabled|deleted)\b/i,
    /retry after:?\s+([A-Z][a-z]{2}, .*?GMT)/i,
    /[.,;]+$/,
    /\s+$/gu,
    /<!--[\s\S]*?-->/g,
    /^(a+)+$/,
    /([\w.-]+)+@/,
    /[\w-]{12,}(,[\w-]{12,})+/g,
  ]
  for (const expression of slow) t.ok(slowTextFor(expression), String(expression))
})

t.test('steps are counted as in the real engine', async t => {
  for (const expression of [...sourcesIn(FOLDERS).values()]
    .flatMap(expressionsIn)
    .map(({ expression }) => expression)) {
    const { source, flags } = expression
    const alone = new RegExp(source, flags.replace(/[gy]/g, ''))
    const pattern = parsePattern(source)
    const search = countSteps(pattern, flags)
    const otherwise = hostileTo(pattern, flags).filter((hostile, place) => {
      if (place % 29 > 0) return false
      const text = textOf(hostile, 2)
      const real = alone.exec(text)
      const [start, end] = search(text).match ?? []
      return real?.index !== start || (real ? real.index + real[0].length : undefined) !== end
    })
    if (otherwise.length > 0) t.fail(`${expression} on ${JSON.stringify(otherwise[0])}`)
  }
})

function expressionsIn(source: ts.SourceFile): { place: string; expression: RegExp }[] {
  const texts = constantsOf(source)
  return nodesOf(source).flatMap(node => {
    if (ts.isRegularExpressionLiteral(node)) {
      const end = node.text.lastIndexOf('/')
      return [{ place: placeOf(node), expression: new RegExp(node.text.slice(1, end), node.text.slice(end + 1)) }]
    }
    if (!ts.isNewExpression(node) || node.expression.getText() !== 'RegExp') return []
    const [body, flags] = (node.arguments ?? []).map(argument => textIn(argument, texts))
    return [{ place: placeOf(node), expression: new RegExp(body ?? '', flags ?? '') }]
  })
}

// Expressions composed of other texts are tested with those in the same file.
function constantsOf(source: ts.SourceFile): ReadonlyMap<string, string> {
  const texts = new Map<string, string>()
  for (const node of nodesOf(source)) {
    if (ts.isVariableDeclaration(node) && node.initializer)
      texts.set(node.name.getText(), textIn(node.initializer, texts))
  }
  return texts
}

function textIn(node: ts.Node, texts: ReadonlyMap<string, string>): string {
  if (ts.isStringLiteralLike(node)) return node.text
  if (ts.isIdentifier(node)) return texts.get(node.text) ?? 'x'
  if (!ts.isTemplateExpression(node)) return 'x'
  return node.templateSpans.reduce(
    (text, { expression, literal }) => text + textIn(expression, texts) + literal.text,
    node.head.text,
  )
}
