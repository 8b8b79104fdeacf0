import type { Declarations } from './declarations.ts'

// Nobody scrolls this far to the left or up.
const FAR = new Map([
  ['', 999],
  ['px', 999],
  ['pt', 750],
  ['em', 60],
  ['rem', 60],
  ['%', 100],
  ['vw', 100],
  ['vh', 100],
])
const NEGATIVE = /^-(\d{1,9})(?:\.\d{1,9})?([a-z%]{0,4})$/
const NO_LENGTH = /^[+-]?(?:0(?:\.0{1,9})?|\.0{1,9})(?:[a-z]{2,4}|%)?$/
const NO_SCALE = /(?:^|[) ])scale(?:x|y|3d)?\( ?(?:0(?:\.0{1,9})?|\.0{1,9})%? ?[,) ]/
const SHIFT = /(?:^|[) ])translate(?:x|y|3d)?\( ?(-\d{1,9}[a-z%]{0,4})/
const UNSEEN_OPACITY = 0.02
const LEAST_CLIP = 1
const ALL_OF_IT = 100
const MOST_SIDES = 12

/** Returns whether declarations take an element and all within it from sight, whatever is within says. */
export function isTakenAway(all: Declarations): boolean {
  const value = (name: string) => all.get(name)?.value ?? ''
  return (
    value('display') === 'none' ||
    value('content-visibility') === 'hidden' ||
    opacityIn(value('opacity')) <= UNSEEN_OPACITY ||
    isCutAway(value) ||
    isShrunk(value) ||
    isMovedAway(value)
  )
}

type Values = (name: string) => string

function isShrunk(value: Values): boolean {
  const isClipped = ['overflow', 'overflow-x', 'overflow-y'].some(name => /^(?:hidden|clip)/.test(value(name)))
  const hasNoSize = ['height', 'width', 'max-height', 'max-width'].some(name => NO_LENGTH.test(value(name)))
  return (isClipped && hasNoSize) || NO_SCALE.test(value('transform')) || NO_LENGTH.test(value('scale'))
}

function isMovedAway(value: Values): boolean {
  const isPlaced = /^(?:absolute|fixed|relative|sticky)/.test(value('position'))
  const places = ['text-indent', 'margin-left', 'margin-top', ...(isPlaced ? ['left', 'right', 'top', 'bottom'] : [])]
  return places.some(name => isFar(value(name))) || isFar(SHIFT.exec(value('transform'))?.[1] ?? '')
}

function isFar(length: string): boolean {
  const [, digits, unit = ''] = NEGATIVE.exec(length) ?? []
  return digits !== undefined && Number(digits) >= (FAR.get(unit) ?? Number.POSITIVE_INFINITY)
}

// `clip` does nothing to what stands in the flow of the page.
function isCutAway(value: Values): boolean {
  const isPlaced = /^(?:absolute|fixed)/.test(value('position'))
  const [top, right, bottom, left] = isPlaced ? sidesIn(value('clip'), 'rect(') : []
  if (top !== undefined && right !== undefined && bottom !== undefined && left !== undefined)
    if (bottom - top <= LEAST_CLIP || right - left <= LEAST_CLIP) return true
  const path = value('clip-path')
  if (/^circle\( ?0(?:px|%)? ?[) ]/.test(path)) return true
  if (!path.includes('%')) return false
  const [above, beside = above, below = above, other = beside] = sidesIn(path, 'inset(')
  if (above === undefined || beside === undefined || below === undefined || other === undefined) return false
  return above + below >= ALL_OF_IT || beside + other >= ALL_OF_IT
}

function sidesIn(value: string, begin: string): number[] {
  if (!value.startsWith(begin)) return []
  const sides = value.slice(begin.length).split(/[ ,)]/, MOST_SIDES)
  return sides.filter(side => side !== '').map(side => Number.parseFloat(side))
}

function opacityIn(value: string): number {
  const opacity = value === '' ? Number.NaN : Number.parseFloat(value)
  return Number.isNaN(opacity) ? 1 : opacity
}
