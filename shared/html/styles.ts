import { type Declarations, declarationsOf, mergeAll, plainCss } from './declarations.ts'
import { isTakenAway } from './hiding.ts'

/** What a style says about whether its element can be read. A field is absent where the style says nothing about it. */
export interface Looks {
  /** The element and all within it is not shown, whatever they say. */
  isHidden: boolean
  /** The style says how the element is displayed, so its name and `hidden` do not. */
  isDisplayed?: true
  isInvisible?: boolean
  isTiny?: boolean
  text?: string
  /** Empty for a ground that is no plain colour. */
  ground?: string
}

// Nobody reads letters of a pixel. A share of the size around says nothing, unless it is zero.
const TINY = /^(?:[01](?:\.0{1,9})?(?:px|pt)?|0?\.\d{1,9}(?:px|pt)|0(?:\.0{1,9})?(?:[a-z]{2,4}|%))$/
const RELATIVE = /(?:em|ex|%)$|^(?:inherit|unset|larger|smaller)$/
const SHORT = /^#([\da-f])([\da-f])([\da-f])$/
const LONG = /^#[\da-f]{6}$/
const RGB = /^rgba?\((\d{1,3}),(\d{1,3}),(\d{1,3})(?:,1(?:\.0)?)?\)$/
const CLEAR = 'transparent'
const CLEAR_HEX = /^#(?:[\da-f]{3}0|[\da-f]{6}00)$/
const ALPHA = /^(?:rgba?|hsla?)\([^,/]{1,40}(?:,[^,/]{1,40},[^,/]{1,40},|\/)(\d{0,3}(?:\.\d{1,9})?)%?\)$/
const UNSEEN_ALPHA = 0.02
const NAMED = new Map([
  ['white', 'ffffff'],
  ['black', '000000'],
])
// A difference of 255 that nobody sees.
const UNSEEN = 12
const NO_LOOKS: Looks = { isHidden: false }
const LONGEST_STYLE = 100_000

/** Reads a style attribute, together with what style sheets say of its element. */
export function looksOf(written: string, ofSheets: Declarations): Looks {
  if (written === '' && ofSheets.size === 0) return NO_LOOKS
  const all = new Map(ofSheets)
  mergeAll(all, declarationsOf(plainCss(written.slice(0, LONGEST_STYLE)), Number.POSITIVE_INFINITY))
  const value = (name: string) => all.get(name)?.value
  const visibility = value('visibility')
  const size = value('font-size')
  const hasTinySize = size !== undefined && isTiny(size)
  const text = textColour(all)
  const [ground, image] = [value('background-color'), value('background-image') ?? 'none']
  const hasImage = image !== 'none'
  return {
    isHidden: isTakenAway(all),
    ...(value('display') === undefined ? {} : { isDisplayed: true }),
    ...(visibility === undefined || /^(?:inherit|unset)/.test(visibility)
      ? {}
      : { isInvisible: /^(?:hidden|collapse)/.test(visibility) }),
    ...(size === undefined || (RELATIVE.test(size) && !hasTinySize) ? {} : { isTiny: hasTinySize }),
    ...(text === undefined ? {} : { text }),
    ...(ground === undefined && !hasImage ? {} : { ground: hasImage ? '' : (colourOf(ground ?? '') ?? '') }),
  }
}

/** Returns whether letters of a size in CSS are too small to read. */
export function isTiny(size: string): boolean {
  return TINY.test(size)
}

/** Returns whether a colour in CSS cannot be seen on any ground. */
export function isClear(written: string): boolean {
  const colour = written.replaceAll(' ', '')
  const alpha = ALPHA.exec(colour)?.[1]
  return colour === CLEAR || CLEAR_HEX.test(colour) || (alpha !== undefined && Number(alpha || 1) <= UNSEEN_ALPHA)
}

/** Returns a colour as six hexadecimal digits; `undefined` for other notations. */
export function colourOf(written: string): string | undefined {
  const colour = written.replaceAll(' ', '').toLowerCase()
  if (LONG.test(colour)) return colour.slice(1)
  const short = SHORT.exec(colour)
  if (short) return short.slice(1).reduce((digits, digit) => digits + digit + digit, '')
  const parts = RGB.exec(colour)?.slice(1)
  if (parts) return parts.map(part => Math.min(255, Number(part)).toString(16).padStart(2, '0')).join('')
  return NAMED.get(colour)
}

/** Returns whether text of one colour cannot be read on a ground of another; unknown colours differ. */
export function looksSame(text: string, ground: string): boolean {
  if (text === CLEAR) return true
  if (text === '' || ground === '') return false
  const parts = (colour: string) => [0, 2, 4].map(at => Number.parseInt(colour.slice(at, at + 2), 16))
  const other = parts(ground)
  return parts(text).every((part, at) => Math.abs(part - (other[at] ?? 0)) <= UNSEEN)
}

// Letters without a colour are seen by their shadow, or where the ground is cut to them.
function textColour(all: Declarations): string | undefined {
  const colour = all.get('color')?.value
  if (colour === undefined || colour === 'inherit') return undefined
  if (!isClear(colour)) return colourOf(colour) ?? ''
  const isCut = ['background-clip', '-webkit-background-clip'].some(name => all.get(name)?.value === 'text')
  const isSeen = isCut || all.has('-webkit-text-fill-color') || all.has('text-shadow')
  return isSeen ? '' : CLEAR
}
