/** A regular expression, parsed as far as counting its steps needs. */
export type Pattern =
  | { type: 'set'; source: string }
  | { type: 'assertion'; source: string }
  | { type: 'ahead'; isWanted: boolean; inner: Pattern }
  | { type: 'group'; capture: number | undefined; inner: Pattern }
  | { type: 'either'; options: readonly Pattern[] }
  | { type: 'sequence'; items: readonly Pattern[] }
  | { type: 'repeat'; inner: Pattern; least: number; most: number; isLazy: boolean }
  | { type: 'back'; capture: number }

/** A match with its bounds, and the characters and alternatives tried until it was found or failed. */
export interface Counted {
  match: readonly [start: number, end: number] | undefined
  steps: number
}

/** The number of steps at which `countSteps` stops. */
export const MAX_STEPS = 300_000
const ATOM = /\\u[\da-fA-F]{4}|\\x[\da-fA-F]{2}|\\p\{[^}]*\}|\\[\s\S]|\[(?:[^\]\\]|\\.)*\]|[\s\S]/y

/** The parts of a regular expression. */
export function parsePattern(source: string): Pattern {
  let at = 0
  let captures = 0
  return either()

  function take(text: string): boolean {
    if (!source.startsWith(text, at)) return false
    at += text.length
    return true
  }

  function either(): Pattern {
    const options = [sequence()]
    while (take('|')) options.push(sequence())
    return { type: 'either', options }
  }

  function sequence(): Pattern {
    const items: Pattern[] = []
    while (at < source.length && source[at] !== '|' && source[at] !== ')') items.push(repeated(atom()))
    return { type: 'sequence', items }
  }

  function atom(): Pattern {
    const start = at
    if (take('(')) return group(start)
    ATOM.lastIndex = at
    const text = ATOM.exec(source)?.[0] ?? ''
    at += text.length
    if (text === '^' || text === '$' || text === '\\b' || text === '\\B') return { type: 'assertion', source: text }
    return /^\\[1-9]$/.test(text) ? { type: 'back', capture: Number(text.slice(1)) } : { type: 'set', source: text }
  }

  function group(start: number): Pattern {
    const isAhead = take('?=')
    const isUnwanted = !isAhead && take('?!')
    const isBehind = !isAhead && !isUnwanted && (take('?<=') || take('?<!'))
    const isPlain = isAhead || isUnwanted || isBehind || take('?:')
    if (!isPlain) at += /^\?<\w+>/.exec(source.slice(at))?.[0].length ?? 0
    const capture = isPlain ? undefined : ++captures
    const inner = either()
    take(')')
    if (isBehind) return { type: 'assertion', source: source.slice(start, at) }
    return isAhead || isUnwanted ? { type: 'ahead', isWanted: isAhead, inner } : { type: 'group', capture, inner }
  }

  function repeated(inner: Pattern): Pattern {
    const [whole, sign, least, comma, most] = /^(?:([*+?])|\{(\d+)(,?)(\d*)\})/.exec(source.slice(at)) ?? []
    if (whole === undefined) return inner
    at += whole.length
    const isLazy = take('?')
    if (sign) return { type: 'repeat', inner, least: sign === '+' ? 1 : 0, most: sign === '?' ? 1 : Infinity, isLazy }
    return {
      type: 'repeat',
      inner,
      least: Number(least),
      most: comma ? Number(most || Infinity) : Number(least),
      isLazy,
    }
  }
}

/**
 * Matches a pattern as a backtracking engine does, and counts its steps. Stops, without a match, beyond `MAX_STEPS`. `flags` are those of the expression.
 */
export function countSteps(pattern: Pattern, flags: string): (text: string, from?: number) => Counted {
  const tests = new Map<string, RegExp>()
  const known = new Map<string, Map<string, boolean>>()
  const captured: string[] = []
  let steps = 0
  let text = ''

  return (given, from = 0) => {
    text = given
    steps = 0
    for (let start = from; start <= text.length; start++) {
      let end = -1
      captured.length = 0
      const isFound = matches(pattern, start, reached => {
        end = reached
        return true
      })
      if (isFound) return { match: [start, end], steps }
      if (steps > MAX_STEPS) break
    }
    return { match: undefined, steps }
  }

  function matches(node: Pattern, at: number, then: (at: number) => boolean): boolean {
    steps += 1
    if (steps > MAX_STEPS) return false
    switch (node.type) {
      case 'set':
        return at < text.length && isIn(node.source, text[at] ?? '') && then(at + 1)
      case 'assertion':
        return isOf(node.source, at) && then(at)
      case 'ahead':
        return matches(node.inner, at, () => true) === node.isWanted && then(at)
      case 'back':
        return text.startsWith(captured[node.capture] ?? '', at) && then(at + (captured[node.capture] ?? '').length)
      case 'either':
        return node.options.some(option => matches(option, at, then))
      case 'sequence':
        return inOrder(node.items, 0, { at, then })
      case 'group':
        return matches(node.inner, at, end => {
          if (node.capture !== undefined) captured[node.capture] = text.slice(at, end)
          return then(end)
        })
      case 'repeat':
        return node.inner.type === 'set' ? run(node, node.inner.source, { at, then }) : again(node, 0, { at, then })
    }
  }

  function inOrder(
    items: readonly Pattern[],
    place: number,
    { at, then }: { at: number; then: (at: number) => boolean },
  ): boolean {
    const item = items[place]
    return item ? matches(item, at, end => inOrder(items, place + 1, { at: end, then })) : then(at)
  }

  function again(
    node: Extract<Pattern, { type: 'repeat' }>,
    times: number,
    { at, then }: { at: number; then: (at: number) => boolean },
  ): boolean {
    const { inner, least, most, isLazy } = node
    if (isLazy && times >= least && then(at)) return true
    const once = (end: number) => (end > at || times < least) && again(node, times + 1, { at: end, then })
    if (times < most && matches(inner, at, once)) return true
    return !isLazy && times >= least && then(at)
  }

  // As `again`, without a call a character.
  function run(
    { least, most, isLazy }: Extract<Pattern, { type: 'repeat' }>,
    source: string,
    { at, then }: { at: number; then: (at: number) => boolean },
  ): boolean {
    const isMore = (count: number) => {
      steps += 1
      return count < most && at + count < text.length && isIn(source, text[at + count] ?? '')
    }
    let count = 0
    while (count < least)
      if (isMore(count)) count += 1
      else return false
    if (isLazy) {
      for (; steps <= MAX_STEPS; count++) {
        if (then(at + count)) return true
        if (!isMore(count)) return false
      }
    }
    while (isMore(count)) count += 1
    for (; count >= least && steps <= MAX_STEPS; count--) {
      steps += 1
      if (then(at + count)) return true
    }
    return false
  }

  function isIn(source: string, one: string): boolean {
    const found = known.get(source) ?? new Map<string, boolean>()
    known.set(source, found)
    const isOne = found.get(one) ?? new RegExp(`^${source}`, flags.replace(/[gy]/g, '')).test(one)
    found.set(one, isOne)
    return isOne
  }

  // Each by itself is the real engine's business.
  function isOf(source: string, at: number): boolean {
    const test = tests.get(source) ?? new RegExp(source, `${flags.replace(/[gy]/g, '')}y`)
    tests.set(source, test)
    test.lastIndex = at
    return test.test(text)
  }
}
