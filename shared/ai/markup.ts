/** A text without its images, tags and unknown Markdown links. */
export interface Unmarked {
  text: string
  images: number
  links: number
}

// What begins an element that loads something, or that shows a page of its own.
const MEDIA = new Set(
  'img image picture source svg video audio track iframe frame embed object input link meta base script style body form button'.split(
    ' ',
  ),
)
const TAGS = new Set(
  'a abbr area article b big blockquote br caption center cite code col dd del details div dl dt em fieldset figure font footer h1 h2 h3 h4 h5 h6 head header hr html i ins kbd label li main map mark nav ol option p pre q s section select small span strike strong sub summary sup table tbody td template textarea tfoot th thead title tr tt u ul wbr'.split(
    ' ',
  ),
)
// Longer ones are none; what begins them goes.
const LONGEST = 500
const LONGEST_LABEL = 200
const MOST_ROUNDS = 4
const LABEL = { open: 0x5b, close: 0x5d, most: LONGEST_LABEL }
const DESTINATION = { open: 0x28, close: 0x29, most: LONGEST }
const BACKSLASH = 0x5c
const TARGET = /[:/.?#@%&\\<]/

/**
 * Removes all images of Markdown and HTML, all HTML tags, and the destinations of Markdown links, except for those that `isKnown` accepts.
 * Texts of links stay.
 */
export function withoutMarkup(text: string, isKnown: (destination: string) => boolean): Unmarked {
  const counted = { images: 0, links: 0 }
  let clean = text
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const before = clean
    clean = withoutMarks(before, { counted, isKnown })
    if (clean === before) return { text: clean, ...counted }
  }
  // What is around a removed mark may be one again; no person writes that often.
  return { text: clean.replace(/[<!]/g, ''), ...counted }
}

function withoutMarks(text: string, marking: Marking): string {
  const kept: string[] = []
  let at = 0
  while (at < text.length) {
    const next = nextMark(text, at)
    kept.push(text.slice(at, next))
    if (next === text.length) break
    const end = pastMark(text, next, marking)
    if (end > next) at = end
    else {
      kept.push(text.charAt(next))
      at = next + 1
    }
  }
  return kept.join('')
}

interface Marking {
  counted: { images: number; links: number }
  isKnown: (destination: string) => boolean
}

function nextMark(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    const mark = text.charAt(at)
    if (mark === '<') return at
    if (mark === '!' && text.charAt(at + 1) === '[') return at
    if (mark === '(' && text.charAt(at - 1) === ']') return at
  }
  return text.length
}

// The place after the removed mark; the same place where nothing goes.
function pastMark(text: string, at: number, marking: Marking): number {
  const mark = text.charAt(at)
  if (mark === '!') return pastImage(text, at, marking)
  return mark === '<' ? pastTag(text, at, marking) : pastDestination(text, at, marking)
}

function pastImage(text: string, at: number, { counted }: Marking): number {
  counted.images += 1
  const label = closing(text, at + 1, LABEL)
  // The label stays as text.
  if (label < 0) return at + 2
  const open = text.charAt(label + 1)
  if (open === '(') return Math.max(label + 1, closing(text, label + 1, DESTINATION) + 1)
  return open === '[' ? Math.max(label + 1, closing(text, label + 1, LABEL) + 1) : label + 1
}

function pastDestination(text: string, at: number, { counted, isKnown }: Marking): number {
  const end = closing(text, at, DESTINATION)
  const inside = text.slice(at + 1, end < 0 ? at + LONGEST : end).trim()
  if (!TARGET.test(inside)) return at
  if (end >= 0 && isKnown(inside)) return at
  counted.links += 1
  return end < 0 ? at + 1 : end + 1
}

function pastTag(text: string, at: number, { counted }: Marking): number {
  const [, name = '', next = ''] = /^<\/?([a-z][a-z\d-]{0,30})([\s/>]?)/i.exec(text.slice(at, at + 40)) ?? []
  const isMedia = MEDIA.has(name.toLowerCase())
  const isComment = /^<[!?]/.test(text.slice(at, at + 2))
  if (!isComment && (name === '' || (next === '' && at + name.length + 2 < text.length))) return at
  const end = text.indexOf('>', at)
  const isLong = end < 0 || end - at > LONGEST
  const inside = text.slice(at, isLong ? at + LONGEST : end)
  if (!isMedia && !isComment && !TAGS.has(name.toLowerCase()) && !inside.includes('=')) return at
  if (isMedia) counted.images += 1
  else if (inside.includes('=')) counted.links += 1
  // A tag that never ends is completed by whatever a page has next.
  return isLong ? at + 1 : end + 1
}

interface Brackets {
  open: number
  close: number
  most: number
}

// The place of the mark that closes the one at `from`; -1 if none does soon.
function closing(text: string, from: number, { open, close, most }: Brackets): number {
  const last = Math.min(text.length, from + most)
  let depth = 0
  for (let at = from; at < last; at++) {
    const mark = text.charCodeAt(at)
    if (mark === BACKSLASH) at += 1
    else if (mark === open) depth += 1
    else if (mark === close) {
      depth -= 1
      if (depth === 0) return at
    }
  }
  return -1
}
