/** What a style says about whether its element can be read. A field is absent where the style says nothing about it. */
export interface Looks {
  /** The element and all within it is not shown, whatever they say. */
  isHidden: boolean
  isInvisible?: boolean
  isTiny?: boolean
  text?: string
  /** Empty for a ground that is no plain colour. */
  ground?: string
}

// Each expects a style in lower case without blanks.
const HIDING = [
  /(?:^|;)display:none/,
  /(?:^|;)opacity:0?(?:\.0{1,9})?%?(?:!|;|$)/,
  /(?:^|;)(?:text-indent|left|top|margin-left|margin-top):-\d{4}/,
  /(?:^|;)clip:rect\(0/,
]
const NO_SIZE = /(?:^|;)(?:max-)?(?:height|width):0(?:px|pt|em|%)?(?:!|;|$)/
const CLIPPED = /(?:^|;)overflow(?:-[xy])?:hidden/
const VISIBILITY = /(?:^|;)visibility:([a-z]{1,20})/
const FONT_SIZE = /(?:^|;)font-size:([^;!]{1,40})/
// Nobody reads letters of a pixel. A share of the size around says nothing, unless it is zero.
const TINY = /^(?:[01](?:\.0{1,9})?(?:px|pt)?|0?\.\d{1,9}(?:px|pt)|0(?:\.0{1,9})?(?:r?em|ex|%))$/
const RELATIVE = /(?:em|ex|%)$/
const TEXT_COLOUR = /(?:^|;)color:([^;!]{1,40})/
const GROUND = /(?:^|;)background(?:-color)?:([^;!]{1,40})/
const SHORT = /^#([\da-f])([\da-f])([\da-f])$/
const LONG = /^#[\da-f]{6}$/
const RGB = /^rgba?\((\d{1,3}),(\d{1,3}),(\d{1,3})(?:,1(?:\.0)?)?\)$/
const NAMED = new Map([
  ['white', 'ffffff'],
  ['black', '000000'],
])
// A difference of 255 that nobody sees.
const UNSEEN = 12
const NO_LOOKS: Looks = { isHidden: false }
const LONGEST_STYLE = 2000
const LONGEST_SHEET = 200_000
const SIMPLE = /^[a-z\d]{0,20}([.#][\w-]{1,100})$/

/** Reads a style attribute. */
export function looksOf(written: string): Looks {
  if (written === '') return NO_LOOKS
  const style = plain(written.slice(0, LONGEST_STYLE))
  const isHidden = HIDING.some(one => one.test(style)) || (NO_SIZE.test(style) && CLIPPED.test(style))
  const visibility = VISIBILITY.exec(style)?.[1]
  const size = FONT_SIZE.exec(style)?.[1]
  const isTiny = size !== undefined && TINY.test(size)
  const [text, ground] = [TEXT_COLOUR.exec(style)?.[1], GROUND.exec(style)?.[1]]
  const hasImage = style.includes('background-image:')
  return {
    isHidden,
    ...(visibility === undefined ? {} : { isInvisible: visibility !== 'visible' }),
    ...(size === undefined || (RELATIVE.test(size) && !isTiny) ? {} : { isTiny }),
    ...(text === undefined ? {} : { text: colourOf(text) ?? '' }),
    ...(ground === undefined && !hasImage ? {} : { ground: hasImage ? '' : (colourOf(ground ?? '') ?? '') }),
  }
}

/** Returns a colour as six hexadecimal digits; `undefined` for other notations. */
export function colourOf(written: string): string | undefined {
  const colour = written.trim().toLowerCase()
  if (LONG.test(colour)) return colour.slice(1)
  const short = SHORT.exec(colour)
  if (short) return short.slice(1).reduce((digits, digit) => digits + digit + digit, '')
  const parts = RGB.exec(colour)?.slice(1)
  if (parts) return parts.map(part => Math.min(255, Number(part)).toString(16).padStart(2, '0')).join('')
  return NAMED.get(colour)
}

/** Returns whether text of one colour cannot be read on a ground of another; unknown colours differ. */
export function looksSame(text: string, ground: string): boolean {
  if (text === '' || ground === '') return false
  const parts = (colour: string) => [0, 2, 4].map(at => Number.parseInt(colour.slice(at, at + 2), 16))
  const other = parts(ground)
  return parts(text).every((part, at) => Math.abs(part - (other[at] ?? 0)) <= UNSEEN)
}

/**
 * Returns the classes and ids, as `.name` and `#name`, that a style sheet hides on every screen. Selectors of more than one name are not
 * read.
 */
export function hiddenBySheet(written: string): string[] {
  const sheet = written.slice(0, LONGEST_SHEET)
  const found: string[] = []
  let depth = 0
  let startAt = 0
  let selector = ''
  for (let at = 0; at < sheet.length; at++) {
    const character = sheet[at]
    if (character === '{') {
      selector = depth === 0 ? sheet.slice(startAt, at) : ''
      depth += 1
      startAt = at + 1
    } else if (character === '}') {
      if (depth === 1 && !selector.includes('@') && looksOf(sheet.slice(startAt, at)).isHidden)
        found.push(...selector.split(',').flatMap(one => SIMPLE.exec(one.trim().toLowerCase())?.[1] ?? []))
      depth = Math.max(0, depth - 1)
      startAt = at + 1
    }
  }
  return found
}

function plain(style: string): string {
  return style.replace(/\s+/g, '').toLowerCase()
}
