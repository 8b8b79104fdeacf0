import { posix } from 'node:path'
import ts from 'typescript'
import { nodesOf, placeOf } from './sources.ts'

/** A place where a module keeps state, or reaches outside on its own. */
export interface Finding {
  place: string
  rule: string
}

// Where the real clock, timers and randomness are; everywhere else they are values.
const MACHINE_FILE = 'shared/machine.ts'
const SURROUNDINGS_FILE = 'pipeline/base/surroundings.ts'
// Google's library and msal compute when a token ends from this machine's clock.
const LIBRARY_CLOCKS = ['shared/gmail/oauth.ts', 'shared/outlook/oauth.ts']
// msal is given one signal for a request, and it is gone with the request.
const LIBRARY_LIMITS = ['shared/outlook/login.ts']
// Secrets, and what seals them: nobody may choose them, not even a test.
const SECRETS = [
  'shared/seal.ts',
  'shared/redis/secrets.ts',
  'pipeline/accounts/consent/connect.ts',
  'pipeline/accounts/mail-source.ts',
  'pipeline/accounts/start-simulator.ts',
  'pipeline/embedded-redis/program.ts',
  'pipeline/embedded-redis/js-redis.ts',
]
// The two files that run as programs: what they create belongs to their process or thread.
const PROGRAMS = ['pipeline/main.ts', 'pipeline/gateway/thread.ts']
// What is opened in one place, and passed from there.
const OPENERS = new Map([
  ['openHttp', { file: SURROUNDINGS_FILE, take: 'Surroundings' }],
  ['openRedis', { file: SURROUNDINGS_FILE, take: 'Surroundings' }],
  ['openTerminal', { file: 'pipeline/main.ts', take: 'Terminal' }],
])
const CONTAINERS = ['Map', 'Set', 'WeakMap', 'WeakSet', 'Array']
// Objects that stay as they are created.
const CONSTANT = ['RegExp', 'URL', 'Intl.Segmenter', 'MailError']
const CHANGES = /^(set|add|delete|clear|push|pop|shift|unshift|splice|sort|reverse|fill|copyWithin|abort|next)$/
// These make the schemas that they return, once: of settings, and of the project's published schemas.
const SCHEMA_MAKERS = /^(shared\/settings\/kinds\.ts$|pipeline\/setup\/)/
const TIMERS = ['setTimeout', 'setInterval']
const RANDOM = ['randomUUID', 'randomBytes', 'randomInt', 'getRandomValues']

/** Returns each variable of a module that may change, or whose value may. The sources are all files, by their paths. */
export function stateIn(sources: ReadonlyMap<string, ts.SourceFile>): Finding[] {
  return [...sources.values()].filter(({ fileName }) => !PROGRAMS.includes(fileName)).flatMap(stateOf)

  function stateOf(source: ts.SourceFile): Finding[] {
    const nodes = nodesOf(source)
    return source.statements.filter(ts.isVariableStatement).flatMap(({ declarationList }) =>
      declarationList.declarations.flatMap(declaration => {
        const rule = ruleOf(declaration, { source, nodes, isConst: (declarationList.flags & ts.NodeFlags.Const) !== 0 })
        return rule ? [{ place: placeOf(declaration), rule }] : []
      }),
    )
  }

  function ruleOf(
    { name, type, initializer }: ts.VariableDeclaration,
    { source, nodes, isConst }: { source: ts.SourceFile; nodes: readonly ts.Node[]; isConst: boolean },
  ): string | undefined {
    const text = name.getText()
    if (!isConst) return `${text} may be assigned again`
    if (nodes.some(node => changes(node, text, isStateful(initializer)))) return `${text} is changed`
    if (!initializer) return undefined
    const isReadonly = /^Readonly/.test(type?.getText() ?? '')
    if (!isReadonly && isEmpty(initializer)) return `${text} is empty, so someone fills it`
    const atLoad = runAtLoad(initializer)
    const made = atLoad.filter(ts.isNewExpression).find(one => !isConstant(one, isReadonly))
    if (made) return `${text} keeps a ${made.expression.getText()}`
    const keeper = atLoad.filter(ts.isCallExpression).find(call => keepsState(functionNamed(source, call.expression)))
    return keeper && `${text} is made by ${keeper.expression.getText()}, which keeps state`
  }

  function functionNamed(source: ts.SourceFile, callee: ts.Expression): ts.FunctionDeclaration | undefined {
    if (!ts.isIdentifier(callee)) return undefined
    const own = source.statements.find(one => ts.isFunctionDeclaration(one) && one.name?.text === callee.text)
    if (own) return own as ts.FunctionDeclaration
    const path = source.statements.filter(ts.isImportDeclaration).find(one => importsName(one, callee.text))
    if (!path || !ts.isStringLiteral(path.moduleSpecifier)) return undefined
    const target = sources.get(posix.join(posix.dirname(source.fileName), path.moduleSpecifier.text))
    return target && functionNamed(target, callee)
  }
}

/** Returns each place that uses a clock, a timer, chance or a connection of the process instead of a value it was given. */
export function directUsesIn(source: ts.SourceFile): Finding[] {
  return nodesOf(source).flatMap(node => {
    const rule = directUse(node, source.fileName)
    return rule ? [{ place: placeOf(node), rule }] : []
  })
}

function directUse(node: ts.Node, file: string): string | undefined {
  if (file === MACHINE_FILE) return undefined
  const text = ts.isPropertyAccessExpression(node) ? node.getText().replace(/^globalThis\./, '') : ''
  if (text === 'Date.now' && !LIBRARY_CLOCKS.includes(file)) return 'reads the clock: take a Machine'
  if (text === 'AbortSignal.timeout' && !LIBRARY_LIMITS.includes(file)) return 'has a timer: take a Machine'
  if (['Math.random', 'performance.now', 'process.hrtime'].includes(text)) return `uses ${text}: take a Machine`
  if (ts.isNewExpression(node) && node.expression.getText() === 'Date' && !node.arguments?.length)
    return 'reads the clock: take a Machine'
  if (!ts.isIdentifier(node) || isName(node)) return undefined
  if (TIMERS.includes(node.text)) return `uses ${node.text}: take a Machine`
  if (RANDOM.includes(node.text) && ts.isImportSpecifier(node.parent) && !SECRETS.includes(file))
    return `imports ${node.text}: take a Machine`
  if (node.text === 'MACHINE' && file !== SURROUNDINGS_FILE && !isDefault(node))
    return 'uses MACHINE other than as a default: it may be another pipeline’s'
  const opener = ts.isImportSpecifier(node.parent) ? OPENERS.get(node.text) : undefined
  if (opener && file !== opener.file) return `imports ${node.text}: take the ${opener.take}`
  return undefined
}

// The name of a property or parameter is not the global of that name.
function isName(node: ts.Identifier): boolean {
  const { parent } = node
  if (ts.isImportSpecifier(parent)) return parent.propertyName !== undefined && parent.name === node
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node && parent.expression.getText() !== 'globalThis'
  return 'name' in parent && parent.name === node
}

function isDefault(node: ts.Identifier): boolean {
  const value = ts.isPropertyAccessExpression(node.parent) ? node.parent : node
  const { parent } = value
  if (ts.isImportSpecifier(parent)) return true
  if (ts.isParameter(parent) || ts.isBindingElement(parent)) return parent.initializer === value
  return ts.isBinaryExpression(parent) && parent.operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken
}

// The nodes of an initializer that are evaluated when the module loads.
function runAtLoad(node: ts.Node): ts.Node[] {
  if (ts.isFunctionLike(node)) return []
  const inside: ts.Node[] = [node]
  ts.forEachChild(node, child => void inside.push(...runAtLoad(child)))
  return inside
}

function isConstant(made: ts.NewExpression, isReadonly: boolean): boolean {
  const what = made.expression.getText()
  if (CONTAINERS.includes(what)) return isReadonly || (made.arguments?.length ?? 0) > 0
  return CONSTANT.includes(what)
}

function isEmpty(value: ts.Expression): boolean {
  if (ts.isAsExpression(value) || ts.isSatisfiesExpression(value)) return isEmpty(value.expression)
  if (ts.isArrayLiteralExpression(value)) return value.elements.length === 0
  return ts.isObjectLiteralExpression(value) && value.properties.length === 0
}

function isStateful(value: ts.Expression | undefined): boolean {
  return value !== undefined && ts.isRegularExpressionLiteral(value) && /[gy][a-z]*$/.test(value.text)
}

function changes(node: ts.Node, name: string, isScan: boolean): boolean {
  if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
    const { expression, name: method } = node.expression
    if (rootOf(expression) === name && (CHANGES.test(method.text) || (isScan && /^(exec|test)$/.test(method.text))))
      return true
    return node.expression.getText() === 'Object.assign' && node.arguments[0]?.getText() === name
  }
  if (ts.isBinaryExpression(node)) {
    const isAssigned =
      node.operatorToken.getText().endsWith('=') && !/^([=!]==?|[<>]=)$/.test(node.operatorToken.getText())
    return isAssigned && !ts.isIdentifier(node.left) && rootOf(node.left) === name
  }
  if (ts.isDeleteExpression(node)) return rootOf(node.expression) === name
  return (
    (ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) &&
    isStep(node) &&
    rootOf(node.operand) === name
  )
}

function isStep({ operator }: ts.PrefixUnaryExpression | ts.PostfixUnaryExpression): boolean {
  return operator === ts.SyntaxKind.PlusPlusToken || operator === ts.SyntaxKind.MinusMinusToken
}

function rootOf(node: ts.Expression): string {
  if (ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node)) return rootOf(node.expression)
  return ts.isIdentifier(node) ? node.text : ''
}

// Functions that are called while the module loads, and that have variables which outlive the call.
function keepsState(made: ts.FunctionDeclaration | undefined): boolean {
  const variables = [...(made?.body?.statements ?? [])].filter(ts.isVariableStatement)
  const returnsFunction =
    made !== undefined && nodesOf(made).some(node => ts.isReturnStatement(node) && returnsOne(node))
  return (
    returnsFunction &&
    variables.some(({ declarationList: { flags, declarations } }) => {
      if ((flags & ts.NodeFlags.Const) === 0) return true
      return declarations.some(({ initializer }) => initializer && keepsEmpty(initializer))
    })
  )
}

function keepsEmpty(value: ts.Expression): boolean {
  return isEmpty(value) || (ts.isNewExpression(value) && !isConstant(value, false))
}

function returnsOne({ expression }: ts.ReturnStatement): boolean {
  return expression !== undefined && (ts.isFunctionLike(expression) || ts.isObjectLiteralExpression(expression))
}

function importsName({ importClause }: ts.ImportDeclaration, name: string): boolean {
  const bindings = importClause?.namedBindings
  return bindings !== undefined && ts.isNamedImports(bindings) && bindings.elements.some(one => one.name.text === name)
}

/** Returns each schema that a function makes at every call, which costs more than the parse that it is for. */
export function repeatedSchemasIn(source: ts.SourceFile): Finding[] {
  if (SCHEMA_MAKERS.test(source.fileName)) return []
  const isMade = (node: ts.Node) =>
    ts.isCallExpression(node) &&
    ts.isPropertyAccessExpression(node.expression) &&
    node.expression.expression.getText(source) === 'z'
  return nodesOf(source)
    .filter(node => isMade(node) && ts.findAncestor(node, ts.isFunctionLike) !== undefined)
    .map(node => ({ place: placeOf(node), rule: 'makes a schema at every call' }))
}
