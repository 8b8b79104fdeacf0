// Direction marks that reorder what is read, tags, and selectors of variants.
const ANY = /[\uFE00-\uFE0F\u202A-\u202E\u2066-\u2069]|\uDB40[\uDC00-\uDDEF]/
const DIRECTIONS = /[\u202A-\u202E\u2066-\u2069]/g
// The flags of regions, such as Scotland, are a black flag with up to six tags and an end.
const TAGS = /(\uD83C\uDFF4(?:\uDB40[\uDC30-\uDC39\uDC61-\uDC7A]){3,6}\uDB40\uDC7F)|\uDB40[\uDC00-\uDC7F]/g
const VARIANT = /^(?:[\uFE00-\uFE0F]|\uDB40[\uDD00-\uDDEF])$/
const HAS_VARIANTS = /[\uFE00-\uFE0F]|\uDB40[\uDD00-\uDDEF]/
// A quotation mark has no variant, because it precedes texts in JSON.
const BASE = /^(?!")[\p{L}\p{N}\p{S}\p{P}]$/u

/**
 * Removes characters by which a text says what nobody sees, or shows another order than it has: tags outside flags, overrides and isolates
 * of direction, and selectors of variants beyond one for a character. Takes linear time.
 */
export function withoutInvisible(text: string): string {
  if (!ANY.test(text)) return text
  const shown = text.replace(DIRECTIONS, '').replace(TAGS, '$1')
  return HAS_VARIANTS.test(shown) ? withOneVariant(shown) : shown
}

function withOneVariant(text: string): string {
  const kept: string[] = []
  let before = ''
  for (const character of text) {
    if (!VARIANT.test(character) || BASE.test(before)) kept.push(character)
    before = character
  }
  return kept.join('')
}
