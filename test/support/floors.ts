import { posix } from 'node:path'
import ts from 'typescript'

/** A violation of the floor rules in a source file. */
export interface Breach {
  file: string
  line: number
  rule: string
}

interface Import {
  from: string
  typeOnly: boolean
  line: number
}

const MAX_LINES = 250
const TERMINAL = 'pipeline/base/terminal.ts'
// The rooms of pipeline/, the lowest first: each imports those below it.
const ROOMS = [
  'base',
  'records',
  'embedded-redis',
  'accounts',
  'runtime',
  'keeper',
  'gateway',
  'explain',
  'replay',
  'commands',
  'main.ts',
]
// Rooms of shared/ without input, output or libraries; all may import them.
const PURE_ROOMS = ['ai', 'settings', 'mail', 'body', 'task', 'provider', 'windows']
// Shared by the adapters to providers on the web.
const COMMON = 'shared/http'
// A provider is a port: only its adapter, its descriptor and its simulator may ask which one it is.
const PROVIDERS = ['gmail', 'outlook']
const OF_PROVIDERS = ['shared/gmail', 'shared/outlook', 'pipeline/accounts/providers', 'sim', 'bench', 'test']
// Hashes, lists, sorted sets and streams have one writer; the bench spoils keys on purpose.
const WRITERS_OF_REDIS = ['shared/redis', 'bench', 'test']
const REDIS_WRITES =
  /^(h(set|setnx|mset|del|incrby|incrbyfloat)|z(add|rem|incrby|remrangeby\w+)|[lr](push|pushx|pop|rem|set|trim|insert)|x(add|del|trim|ack|claim|autoclaim)|eval|evalsha)$/i
const OUTPUTS = ['stdout', 'stderr']
const PURE_LIBRARIES = ['zod', 'node:crypto']

/** Checks sources, given as path → text with paths from the project's folder, against the rules in CONTRIBUTING. */
export function breaches(files: ReadonlyMap<string, string>): Breach[] {
  const parsed = [...files].map(([file, text]) => ts.createSourceFile(file, text, ts.ScriptTarget.ES2023, true))
  return [...parsed.flatMap(source => [...importBreaches(source), ...codeBreaches(source)]), ...cycles(parsed)]
}

function importBreaches(source: ts.SourceFile): Breach[] {
  const file = source.fileName
  return importsOf(source).flatMap(({ from, typeOnly, line }) => {
    const ours = from.startsWith('.') ? posix.join(posix.dirname(file), from) : undefined
    const rule = ours ? ourRule(file, ours, typeOnly) : libraryRule(file, from)
    return rule ? [{ file, line, rule }] : []
  })
}

function ourRule(file: string, target: string, typeOnly: boolean): string | undefined {
  if (!within(file, 'test') && within(target, 'test')) return `imports ${target}: only tests import tests`
  if (isNoun(file))
    return isNoun(target) ? undefined : `imports ${target}: shared/*.ts and its pure rooms import only one another`
  if (within(file, 'shared')) {
    const own = file.split('/').slice(0, 2).join('/')
    if (isNoun(target) || within(target, own) || within(target, COMMON)) return undefined
    return `imports ${target}: ${own}/ imports itself, ${COMMON}/ and shared/*.ts only`
  }
  if (within(file, 'stages')) {
    const isOwn = file.split('/').length > 2 && within(target, file.split('/').slice(0, 2).join('/'))
    return isOwn || isNoun(target) ? undefined : `imports ${target}: a stage imports itself and shared/*.ts only`
  }
  if (within(file, 'sim')) {
    if (within(target, 'sim') || (isNoun(target) && typeOnly)) return undefined
    return `imports ${target}: sim/ imports itself and types of shared/*.ts only`
  }
  return roomRule(file, target)
}

function roomRule(file: string, target: string): string | undefined {
  const [own, other] = [file, target].map(path => (within(path, 'pipeline') ? (path.split('/')[1] ?? '') : ''))
  if (!own || own === 'setup') return undefined
  if (!ROOMS.includes(own)) return `is in no room: pipeline/ holds ${ROOMS.join(', ')}`
  if (!other || own === other || ROOMS.indexOf(other) < ROOMS.indexOf(own)) return undefined
  return `imports ${target}: pipeline/${own}/ imports only the rooms below it`
}

function libraryRule(file: string, library: string): string | undefined {
  if (library === 'googleapis' && !within(file, 'test')) return 'imports all of googleapis: import the one API it needs'
  if (isNoun(file) && !PURE_LIBRARIES.includes(library))
    return `imports ${library}: shared/*.ts does no input or output`
  if (within(file, 'stages') && library !== 'node:crypto') return `imports ${library}: a stage uses no library`
  return undefined
}

/** A file directly in shared/, or in one of its pure rooms. */
function isNoun(file: string): boolean {
  return posix.dirname(file) === 'shared' || PURE_ROOMS.some(room => within(file, `shared/${room}`))
}

function within(file: string, folder: string): boolean {
  return file.startsWith(`${folder}/`)
}

function importsOf(source: ts.SourceFile): Import[] {
  const found: Import[] = []
  const visit = (node: ts.Node): void => {
    const from = moduleNamed(node)
    if (from !== undefined) found.push({ from, typeOnly: isTypeOnly(node), line: lineOf(source, node) })
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

function moduleNamed(node: ts.Node): string | undefined {
  if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier)
    return textOf(node.moduleSpecifier)
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) return textOf(node.argument.literal)
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
    return textOf(node.arguments[0])
  return undefined
}

function textOf(node: ts.Node | undefined): string | undefined {
  return node && ts.isStringLiteralLike(node) ? node.text : undefined
}

function isTypeOnly(node: ts.Node): boolean {
  if (ts.isImportTypeNode(node)) return true
  if (ts.isExportDeclaration(node)) return node.isTypeOnly
  if (!ts.isImportDeclaration(node) || !node.importClause) return false
  const { phaseModifier, name, namedBindings } = node.importClause
  if (phaseModifier === ts.SyntaxKind.TypeKeyword) return true
  return (
    !name && !!namedBindings && ts.isNamedImports(namedBindings) && namedBindings.elements.every(one => one.isTypeOnly)
  )
}

function codeBreaches(source: ts.SourceFile): Breach[] {
  const file = source.fileName
  const found: Breach[] = []
  const breach = (node: ts.Node, rule: string) => found.push({ file, line: lineOf(source, node), rule })
  const visit = (node: ts.Node): void => {
    if (ts.isClassLike(node) && !extendsError(node))
      breach(node, 'has a class that is no error: use functions and plain objects')
    if (isDefaultExport(node)) breach(node, 'has a default export: name it')
    if (ts.isExportDeclaration(node) && node.moduleSpecifier && !node.exportClause)
      breach(node, 'exports *: name what is exported')
    if (readsEnvironment(node) && file !== 'shared/config.ts' && !within(file, 'test')) {
      breach(node, 'reads process.env: only shared/config.ts does')
    }
    if (writesToTerminal(node) && file !== TERMINAL && !within(file, 'test'))
      breach(node, `writes to the terminal: only ${TERMINAL} does, where control characters are escaped`)
    if (writesToRedis(node) && !WRITERS_OF_REDIS.some(folder => within(file, folder)))
      breach(node, 'writes a hash, list, sorted set or stream of Redis: only shared/redis/ does')
    if ((testsProvider(node) || tabulatesProviders(node)) && !OF_PROVIDERS.some(folder => within(file, folder)))
      breach(node, 'tells providers apart: ask the descriptor (pipeline/accounts/providers.ts) or the traits')
    ts.forEachChild(node, visit)
  }
  visit(source)
  if (isBarrel(source)) breach(source, 'only passes on what other files export: import from those files')
  const lines = source.text.trimEnd().split('\n').length
  if (lines > MAX_LINES && !within(file, 'test')) breach(source, `has ${lines} lines: ${MAX_LINES} at most`)
  return found
}

function extendsError(node: ts.ClassLikeDeclaration): boolean {
  return (
    node.heritageClauses?.some(clause => clause.types.some(type => /Error$/.test(type.expression.getText()))) ?? false
  )
}

function isDefaultExport(node: ts.Node): boolean {
  if (ts.isExportAssignment(node)) return true
  if (ts.isExportSpecifier(node)) return node.name.text === 'default'
  return (
    ts.canHaveModifiers(node) &&
    (ts.getModifiers(node)?.some(one => one.kind === ts.SyntaxKind.DefaultKeyword) ?? false)
  )
}

function readsEnvironment(node: ts.Node): boolean {
  if (ts.isPropertyAccessExpression(node)) return node.name.text === 'env' && node.expression.getText() === 'process'
  if (ts.isElementAccessExpression(node))
    return textOf(node.argumentExpression) === 'env' && node.expression.getText() === 'process'
  if (ts.isImportSpecifier(node)) return (node.propertyName ?? node.name).text === 'env'
  if (!ts.isBindingElement(node) || (node.propertyName ?? node.name).getText() !== 'env') return false
  return ts.isVariableDeclaration(node.parent.parent) && node.parent.parent.initializer?.getText() === 'process'
}

function writesToTerminal(node: ts.Node): boolean {
  if (ts.isImportSpecifier(node)) return OUTPUTS.includes((node.propertyName ?? node.name).text)
  if (ts.isBindingElement(node) && ts.isVariableDeclaration(node.parent.parent))
    return (
      OUTPUTS.includes((node.propertyName ?? node.name).getText()) &&
      node.parent.parent.initializer?.getText() === 'process'
    )
  if (!ts.isPropertyAccessExpression(node) && !ts.isElementAccessExpression(node)) return false
  const owner = node.expression.getText()
  if (owner === 'console') return true
  const name = ts.isPropertyAccessExpression(node) ? node.name.text : textOf(node.argumentExpression)
  return owner === 'process' && OUTPUTS.includes(name ?? '')
}

function writesToRedis(node: ts.Node): boolean {
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return false
  const name = node.expression.name.text
  const command = name === 'call' ? textOf(node.arguments[0]) : name
  return REDIS_WRITES.test(command ?? '')
}

function testsProvider(node: ts.Node): boolean {
  if (ts.isBinaryExpression(node)) {
    const { EqualsEqualsEqualsToken, ExclamationEqualsEqualsToken, EqualsEqualsToken, ExclamationEqualsToken } =
      ts.SyntaxKind
    const equality = [EqualsEqualsEqualsToken, ExclamationEqualsEqualsToken, EqualsEqualsToken, ExclamationEqualsToken]
    return equality.some(kind => kind === node.operatorToken.kind) && [node.left, node.right].some(namesProvider)
  }
  if (ts.isCaseClause(node)) return namesProvider(node.expression)
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return false
  return ['includes', 'has', 'startsWith'].includes(node.expression.name.text) && node.arguments.some(namesProvider)
}

function tabulatesProviders(node: ts.Node): boolean {
  if (!ts.isObjectLiteralExpression(node) && !ts.isTypeLiteralNode(node) && !ts.isInterfaceDeclaration(node))
    return false
  const members: readonly (ts.ObjectLiteralElementLike | ts.TypeElement)[] = ts.isObjectLiteralExpression(node)
    ? node.properties
    : node.members
  const names = members.map(({ name }) =>
    name && (ts.isIdentifier(name) || ts.isStringLiteral(name)) ? name.text : '',
  )
  return PROVIDERS.every(provider => names.includes(provider))
}

function namesProvider(node: ts.Node): boolean {
  return PROVIDERS.includes(textOf(node)?.replace(/:$/, '') ?? '')
}

function isBarrel({ statements }: ts.SourceFile): boolean {
  const passesOn = statements.some(one => ts.isExportDeclaration(one))
  return passesOn && statements.every(one => ts.isExportDeclaration(one) || ts.isImportDeclaration(one))
}

/** Each cycle once, at its first file. Types count: a cycle of types is one for the reader too. */
function cycles(sources: readonly ts.SourceFile[]): Breach[] {
  const graph = new Map(
    sources.map(source => [source.fileName, importsOf(source).filter(({ from }) => from.startsWith('.'))]),
  )
  const found: Breach[] = []
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]): void => {
    for (const { from, line } of done.has(file) ? [] : (graph.get(file) ?? [])) {
      const target = posix.join(posix.dirname(file), from)
      const start = [...path, file].indexOf(target)
      if (start < 0) visit(target, [...path, file])
      else found.push({ file, line, rule: `closes a cycle: ${[...path.slice(start), file, target].join(' → ')}` })
    }
    done.add(file)
  }
  for (const file of graph.keys()) visit(file, [])
  return found
}

function lineOf(source: ts.SourceFile, node: ts.Node): number {
  return source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1
}
