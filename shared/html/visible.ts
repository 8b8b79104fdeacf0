import { decode } from 'html-entities'
import { Tokenizer } from 'htmlparser2'
import { type Element, openElements } from './elements.ts'
import type { PageLimits } from './limits.ts'
import { createSheets, type Sheets } from './sheets.ts'
import { colourOf, looksOf, looksSame } from './styles.ts'

/** What a reader sees of a page, in few kinds of elements. `hidden` counts the characters that readers do not see. */
export interface VisiblePage {
  html: string
  hidden: number
  isCut: boolean
}

const VOID = new Set([
  ...['area', 'base', 'br', 'col', 'embed', 'hr', 'img', 'input', 'link', 'meta', 'source', 'track', 'wbr'],
])
const NO_TEXT = new Set(['head', 'style', 'script', 'title', 'template', 'svg', 'math', 'iframe', 'object', 'select'])
const KEPT = new Set(['p', 'ul', 'ol', 'li', 'pre', 'blockquote', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6'])
const LINES = new Set([
  ...['div', 'tr', 'table', 'caption', 'section', 'article', 'header', 'footer', 'main', 'nav', 'aside', 'center'],
  ...['form', 'fieldset', 'address', 'dl', 'dt', 'dd', 'figure', 'figcaption', 'details', 'summary', 'body'],
])
const READ = new Set([
  'style',
  'hidden',
  'class',
  'id',
  'href',
  'alt',
  'bgcolor',
  'color',
  'background',
  'type',
  'media',
])
// The others are written as they came, and decoded later.
const DECODED = new Set(['style', 'class', 'id', 'bgcolor', 'color', 'type', 'media'])
// Deeper ones are written as lines: each level indents every line within it.
const DEEPEST = { written: 48, quotes: 8, lists: 8 }
// Longer addresses are made for tracking.
const LONGEST_LINK = 120
const PAGE: Element = {
  ...{ name: '', end: '', isHidden: false, isInvisible: false, isTiny: false, text: '', ground: '' },
  ...{ isIgnored: false, isPreformatted: false, depth: 0, quotes: 0, lists: 0 },
}

type Attributes = ReadonlyMap<string, string>

/**
 * Reduces a page to what a reader sees, before a parser reads it: leaves out hidden content, and bounds nesting, tags and text. Takes linear
 * time. Never throws.
 */
export function visiblePage(source: string, limits: PageLimits): VisiblePage {
  const page = cutPage(source, limits.source)
  const out = writer(limits)
  // Where nothing colours the ground it is white.
  const isPlain = !/<style|background|bgcolor/i.test(page)
  const elements = openElements({ ...PAGE, ground: isPlain ? 'ffffff' : '' }, ({ end }) => out.end(end))
  const sheets = createSheets()
  let sheet = ''
  let media = ''

  function start(name: string, attributes: Attributes, isClosed: boolean): void {
    elements.closeBefore(name)
    if (name === 'style') media = attributes.get('media') ?? ''
    const around = elements.top()
    const element = elementOf(name, attributes, { around, sheets })
    const isWritten = !element.isHidden && !element.isIgnored
    if (VOID.has(name)) {
      if (isWritten && (name === 'br' || name === 'hr')) out.start(`<${name}>`)
      const described = name === 'img' ? attributes.get('alt') : undefined
      if (described) text(` ${described} `, element)
      return
    }
    if (isClosed && name.includes(':')) return
    const [begin, end] = isWritten ? writtenAs(name, attributes, element) : ['', '']
    const isBegun = out.start(begin)
    elements.open(isBegun && end !== '' ? { ...element, end, depth: around.depth + 1 } : element)
  }

  function text(written: string, element: Element): void {
    if (element.name === 'style') sheet += written
    else if (!element.isIgnored) out.text(written, element)
  }

  readTags(page, {
    start,
    text: written => text(written, elements.top()),
    end(name) {
      elements.close(name)
      if (name !== 'style') return
      sheets.add(sheet, media)
      sheet = ''
    },
  })
  elements.closeAll()
  const { isCut, ...result } = out.result()
  return { ...result, isCut: isCut || page.length < source.length }
}

function elementOf(
  name: string,
  attributes: Attributes,
  { around, sheets }: { around: Element; sheets: Sheets },
): Element {
  const written = {
    name,
    end: '',
    isIgnored: around.isIgnored || NO_TEXT.has(name),
    isPreformatted: around.isPreformatted || name === 'pre',
    quotes: around.quotes + (name === 'blockquote' ? 1 : 0),
    lists: around.lists + (name === 'ul' || name === 'ol' ? 1 : 0),
  }
  if (attributes.size === 0 && name !== 'dialog') return { ...around, ...written }
  const classes = (attributes.get('class') ?? '').toLowerCase().split(/\s+/)
  const named = { tag: name, classes, id: attributes.get('id')?.toLowerCase(), attributes: attributes.keys() }
  const looks = looksOf(attributes.get('style') ?? '', sheets.declarationsFor(named))
  const isClosed = attributes.has('hidden') || (name === 'dialog' && !attributes.has('open'))
  const [text, ground] = [attributes.get('color'), attributes.get('bgcolor')]
  return {
    ...around,
    ...written,
    isHidden: around.isHidden || looks.isHidden || (isClosed && !looks.isDisplayed),
    isInvisible: looks.isInvisible ?? around.isInvisible,
    isTiny: looks.isTiny ?? around.isTiny,
    text: looks.text ?? (text === undefined ? around.text : (colourOf(text) ?? '')),
    ground: attributes.has('background')
      ? ''
      : (looks.ground ?? (ground === undefined ? around.ground : (colourOf(ground) ?? ''))),
  }
}

function isSeen({ isHidden, isInvisible, isTiny, isIgnored, text, ground }: Element): boolean {
  return !isHidden && !isInvisible && !isTiny && !isIgnored && !looksSame(text, ground)
}

function writtenAs(name: string, attributes: Attributes, { depth, quotes, lists }: Element): [string, string] {
  if (name === 'a') {
    const link = attributes.get('href') ?? ''
    const isShown = /^https?:/i.test(link) && link.length <= LONGEST_LINK
    return isShown ? [`<a href="${link.replaceAll('"', '&quot;')}">`, '</a>'] : ['', '']
  }
  if (name === 'td' || name === 'th') return [' ', '']
  if (!KEPT.has(name) && !LINES.has(name)) return ['', '']
  if (depth >= DEEPEST.written) return ['<br>', '']
  const isKept = KEPT.has(name) && quotes <= DEEPEST.quotes && lists <= DEEPEST.lists && !isIndent(name, attributes)
  const as = isKept ? name : 'div'
  return [`<${as}>`, `</${as}>`]
}

// Mail programs indent by a quote without a border.
function isIndent(name: string, attributes: Attributes): boolean {
  if (name !== 'blockquote' || attributes.has('class') || attributes.has('type')) return false
  return /border:\s?(?:none|0)/i.test(attributes.get('style')?.slice(0, 500) ?? '')
}

function writer(limits: PageLimits) {
  const written: string[] = []
  let left = limits.text
  let tags = limits.tags
  let hidden = 0
  let isCut = false
  return {
    /** Returns whether the tag was written. */
    start(tag: string): boolean {
      if (tag === '' || left === 0) return false
      const isRepeated = tag === '<br>' && written.at(-1) === tag && written.at(-2) === tag
      const isWritten = !isRepeated && tags > 0
      if (isWritten) tags -= 1
      if (!isRepeated) written.push(isWritten ? tag : ' ')
      return isWritten
    },
    end(tag: string): void {
      if (tag !== '') written.push(tag)
    },
    text(text: string, element: Element): void {
      const breaks = element.isPreformatted ? text.split('\n').length - 1 : 0
      const isKept = element.isPreformatted && breaks <= tags
      if (isKept) tags -= breaks
      const shown = isKept ? text : text.replace(/\s+/g, ' ')
      if (!isSeen(element)) hidden += decode(shown.trim()).length
      else {
        if (shown.length > left) isCut = true
        written.push(cutPage(shown, left).replaceAll('<', '&lt;'))
        left -= Math.min(left, shown.length)
      }
    },
    result: () => ({ html: written.join(''), hidden, isCut }),
  }
}

// Half an entity would be read as text.
function cutPage(html: string, most: number): string {
  return html.length <= most ? html : html.slice(0, most).replace(/&#?\w{0,31}$/, '')
}

interface TagReader {
  start(name: string, attributes: Attributes, isClosed: boolean): void
  end(name: string): void
  text(text: string): void
}

// Only a tokenizer reads the source: a parser keeps a list of all open elements, and searches it at each tag.
function readTags(page: string, reader: TagReader): void {
  let name = ''
  let attribute = ''
  let value = ''
  let attributes = new Map<string, string>()
  const lower = (start: number, end: number) => page.slice(start, end).slice(0, 40).toLowerCase()
  const ignore = () => undefined
  const begin = (isClosed: boolean) => {
    reader.start(name, attributes, isClosed)
    attributes = new Map()
  }
  const tokenizer = new Tokenizer(
    { xmlMode: false, decodeEntities: false },
    {
      onopentagname: (start, end) => {
        name = lower(start, end)
      },
      onattribname: (start, end) => {
        attribute = lower(start, end)
        value = ''
      },
      onattribdata: (start, end) => {
        if (READ.has(attribute)) value += page.slice(start, end)
      },
      onattribend: () => {
        if (!attributes.has(attribute)) attributes.set(attribute, DECODED.has(attribute) ? decode(value) : value)
      },
      onopentagend: () => begin(false),
      onselfclosingtag: () => begin(true),
      onclosetag: (start, end) => reader.end(lower(start, end)),
      ontext: (start, end) => reader.text(page.slice(start, end)),
      onattribentity: ignore,
      oncdata: ignore,
      oncomment: ignore,
      ondeclaration: ignore,
      onend: ignore,
      onprocessinginstruction: ignore,
      ontextentity: ignore,
    },
  )
  tokenizer.write(page)
  tokenizer.end()
}
