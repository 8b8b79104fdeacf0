/** An open element: what it is written as, and how its text looks. */
export interface Element {
  name: string
  /** Its end as it is written; empty for an element that is not written. */
  end: string
  isHidden: boolean
  isInvisible: boolean
  isTiny: boolean
  text: string
  ground: string
  /** Its content is no text of the page. */
  isIgnored: boolean
  isPreformatted: boolean
  /** How many written elements, quotes and lists it is in, itself included. */
  depth: number
  quotes: number
  lists: number
}

/** The open elements of a page while it is read. */
export interface OpenElements {
  top(): Element
  /** Opens an element, after it closed those that its name ends. */
  open(element: Element): void
  /** Closes the innermost element of a name, with those inside it. Without one it does nothing. */
  close(name: string): void
  /** Closes the elements that the start of this name ends, such as a paragraph before a table. */
  closeBefore(name: string): void
  closeAll(): void
}

// Browsers stop nesting at a similar depth.
const DEEPEST = 256
const CELLS = ['td', 'th']
const ENDS_PARAGRAPH = new Set([
  ...['p', 'div', 'table', 'ul', 'ol', 'li', 'dl', 'dt', 'dd', 'blockquote', 'pre', 'hr', 'center', 'form', 'fieldset'],
  ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'section', 'article', 'header', 'footer', 'main', 'nav', 'aside', 'address'],
])
// What the start of an element ends, and the elements beyond which it ends nothing.
const ENDED = new Map<string, { names: readonly string[]; within: readonly string[] }>([
  ['li', { names: ['li'], within: ['ul', 'ol', 'table'] }],
  ['dt', { names: ['dt', 'dd'], within: ['dl', 'table'] }],
  ['dd', { names: ['dt', 'dd'], within: ['dl', 'table'] }],
  ['td', { names: CELLS, within: ['table'] }],
  ['th', { names: CELLS, within: ['table'] }],
  ['tr', { names: ['tr'], within: ['table'] }],
  ['tbody', { names: ['thead', 'tbody', 'tr'], within: ['table'] }],
  ['body', { names: ['head'], within: [] }],
])
const PARAGRAPH = { names: ['p'], within: ['td', 'th', 'table', 'li', 'div', 'blockquote'] }
const OF_TABLES = new Set(['table', 'tbody', 'thead', 'tfoot', 'tr', 'td', 'th'])

/** Starts with no element open but the page. Each call takes a bounded time, in a page of any depth. */
export function openElements(page: Element, onClose: (element: Element) => void): OpenElements {
  const open: Element[] = []
  // Elements that are too deep to be kept.
  let beyond = 0

  function closeTo(at: number): void {
    while (open.length > at) {
      const last = open.pop()
      if (last) onClose(last)
    }
  }

  function closeNamed(names: readonly string[], within: readonly string[]): void {
    for (let at = open.length - 1; at >= 0; at--) {
      const name = open[at]?.name ?? ''
      if (names.includes(name)) closeTo(at)
      if (names.includes(name) || within.includes(name)) return
    }
  }

  return {
    top: () => open.at(-1) ?? page,
    open(element) {
      if (open.length < DEEPEST) open.push(element)
      else beyond += 1
    },
    close(name) {
      if (beyond > 0) beyond -= 1
      else closeNamed([name], OF_TABLES.has(name) ? [] : CELLS)
    },
    closeBefore(name) {
      if (beyond > 0) return
      if (ENDS_PARAGRAPH.has(name)) closeNamed(PARAGRAPH.names, PARAGRAPH.within)
      const ended = ENDED.get(name)
      if (ended) closeNamed(ended.names, ended.within)
    },
    closeAll: () => closeTo(0),
  }
}
