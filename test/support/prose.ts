import ts from 'typescript'
import { nodesOf } from './sources.ts'

/** A word or phrase that texts avoid, with the plain one; `only` names the folders it is limited to, `names` that texts may have it. */
export interface Avoided {
  words: string
  plain: string
  only?: readonly string[]
  names?: true
}

/** A place where a source has an avoided word. */
export interface Finding {
  file: string
  line: number
  words: string
  plain: string
}

const REPLAY = [
  'pipeline/replay/',
  'pipeline/records/',
  'pipeline/explain/',
  'pipeline/commands/',
  'test/pipeline/replay/',
]

/** The written list. Each word is a whole word of a text, or a part of an identifier or a path. */
export const AVOIDED: readonly Avoided[] = [
  { words: 'office', plain: 'AppContext', only: ['shared/', 'pipeline/', 'bench/', 'test/'], names: true },
  { words: 'world', plain: 'ReplayContext', only: REPLAY },
  { words: 'furnish', plain: 'seedSandbox', only: REPLAY },
  { words: 'recall', plain: 'ReplayState', only: REPLAY },
  { words: 'performance', plain: 'RecordedRun', only: REPLAY },
  { words: 'fruit', plain: 'output', only: REPLAY },
  { words: 'quest', plain: 'query', only: REPLAY },
  { words: 'story', plain: 'journey', only: REPLAY },
  { words: 'bury', plain: 'dead-letter' },
  { words: 'buries', plain: 'dead-letters' },
  { words: 'buried', plain: 'dead-lettered' },
  { words: 'exhume', plain: 'redrive' },
  { words: 'exhumed', plain: 'redriven' },
  { words: 'take leave', plain: 'shut down' },
  { words: 'anew', plain: 'again, recreated' },
  { words: 'told', plain: 'reported, logged' },
  { words: 'doubtful', plain: 'may be stale' },
  { words: 'whereabouts', plain: 'location' },
  { words: 'let go', plain: 'release, emit' },
  { words: 'lets go', plain: 'releases, emits' },
  { words: 'by and by', plain: 'later' },
  { words: 'come to rest', plain: 'settle, idle' },
  { words: 'comes to rest', plain: 'settles, idles' },
  { words: 'looked at', plain: 'listed, synced' },
  { words: 'what is under way', plain: 'in-flight work' },
  { words: 'tell stage', plain: 'logStage', names: true },
  { words: 'look at', plain: 'requestSync', only: ['pipeline/base/', 'pipeline/accounts/'], names: true },
]

// The clock of node:perf_hooks.
const CLOCK = /\bperformance\.\w+/g

/** The avoided words in a TypeScript or JavaScript source: in its path, its identifiers, comments, texts and, of a test, its names. */
export function avoidedIn(file: string, code: string, { texts = true }: { texts?: boolean } = {}): Finding[] {
  // Most files have none anywhere: they are not parsed.
  if (matches(file, `${file} ${inLine(code)}`, 1, () => true).length === 0) return []
  const source = ts.createSourceFile(file, code, ts.ScriptTarget.Latest, true)
  const isTest = file.startsWith('test/')
  const lineAt = (at: number) => source.getLineAndCharacterOfPosition(at).line + 1
  const found = namesWith(file, file, 1)
  for (const node of nodesOf(source)) {
    const line = lineAt(node.getStart(source))
    if (ts.isIdentifier(node)) found.push(...namesWith(file, node.text, line))
    const text = texts && (isTest ? testNameOf(node) : textOf(node))
    if (text) found.push(...wordsWith(file, text, line))
  }
  for (const { text, at } of commentsOf(source)) found.push(...wordsWith(file, text, lineAt(at)))
  return found
}

/** The avoided words in a Lua script, line by line. */
export function avoidedInLua(file: string, script: string): Finding[] {
  const lines = script.split('\n').flatMap((text, index) => wordsWith(file, text, index + 1))
  return [...namesWith(file, file, 1), ...lines]
}

function namesWith(file: string, name: string, line: number): Finding[] {
  return name === 'performance' ? [] : matches(file, name, line, () => true)
}

function wordsWith(file: string, text: string, line: number): Finding[] {
  return matches(file, text.replace(CLOCK, ''), line, ({ names }) => !names)
}

function matches(file: string, text: string, line: number, applies: (avoided: Avoided) => boolean): Finding[] {
  const plainText = ` ${partsOf(text).join(' ')} `
  return AVOIDED.filter(({ only }) => !only || only.some(folder => file.startsWith(folder)))
    .filter(avoided => applies(avoided) && plainText.includes(` ${avoided.words} `))
    .map(({ words, plain }) => ({ file, line, words, plain }))
}

// camelCase, kebab-case and plain words alike.
function partsOf(text: string): string[] {
  return (text.match(/\p{Lu}+(?!\p{Ll})|\p{Lu}?\p{Ll}+|\d+|[^\p{L}\d\s_-]/gu) ?? []).map(part => part.toLowerCase())
}

// The functions whose first argument is the name of a test.
const NAMING = ['test', 'fact']

function textOf(node: ts.Node): string | undefined {
  if (ts.isStringLiteral(node) && (ts.isImportDeclaration(node.parent) || ts.isLiteralTypeNode(node.parent)))
    return undefined
  const isText = ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node)
  return isText ? node.text : undefined
}

function testNameOf(node: ts.Node): string | undefined {
  if (!ts.isCallExpression(node)) return undefined
  const [name] = node.arguments
  const called = ts.isPropertyAccessExpression(node.expression) ? node.expression.name.text : node.expression.getText()
  if (!name || !NAMING.includes(called)) return undefined
  return ts.isStringLiteralLike(name) || ts.isTemplateExpression(name) ? name.getText() : undefined
}

function commentsOf(source: ts.SourceFile): { text: string; at: number }[] {
  const places = new Map<number, string>()
  const { text } = source
  const add = (ranges: readonly ts.CommentRange[] | undefined) => {
    for (const { pos, end } of ranges ?? []) places.set(pos, text.slice(pos, end))
  }
  for (const node of nodesOf(source)) {
    add(ts.getLeadingCommentRanges(text, node.getFullStart()))
    add(ts.getTrailingCommentRanges(text, node.getEnd()))
  }
  return [...places].map(([at, comment]) => ({ at, text: inLine(comment) }))
}

// A phrase may go on in the next line of a comment.
function inLine(comment: string): string {
  return comment.replace(/\n\s*(?:\*|\/\/)/g, '\n')
}

/** The sentences of a Markdown document; headings, tables and code blocks are none. A list item or a paragraph ends a sentence. */
export function sentencesOf(markdown: string): string[] {
  const lines = markdown
    .replace(/^```[\s\S]*?^```$/gm, '')
    .split('\n')
    .filter(line => !/^\s*(\||#)/.test(line))
  const blocks = lines.join('\n').split(/\n\s*\n|\n(?=\s*(?:-|\d+\.) )/)
  return blocks
    .map(block =>
      block
        .replace(/^\s*(?:-|\d+\.) /, '')
        .replace(/\s+/g, ' ')
        .trim(),
    )
    .flatMap(block => block.split(/(?<=[.!?]["”)*]*) (?=[\p{Lu}`*"(])/u))
    .filter(sentence => countWords(sentence) > 0)
}

/** How many words a text has; a code span or an address is one. */
function countWords(text: string): number {
  return text.replace(/`[^`]*`/g, 'code').match(/[\p{L}\d][^\s]*/gu)?.length ?? 0
}

/** The words in the prose of a Markdown document, and its mean sentence length. */
export function measure(markdown: string): { words: number; perSentence: number } {
  const lengths = sentencesOf(markdown).map(countWords)
  const words = lengths.reduce((sum, length) => sum + length, 0)
  return { words, perSentence: lengths.length === 0 ? 0 : words / lengths.length }
}

/** The project paths that a Markdown document names in code spans; placeholders such as `<name>` are no paths. */
export function pathsIn(markdown: string): string[] {
  const spans = [...markdown.matchAll(/`([^`\s]+)`/g)].map(([, span = '']) => span)
  return [...new Set(spans.filter(span => /^(shared|stages|pipeline|sim|bench|test|docs)\/[\w./-]*$/.test(span)))]
}
