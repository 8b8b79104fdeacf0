import { type Declarations, declarationsOf, mergeAll, plainCss } from './declarations.ts'
import { isClear, isTiny } from './styles.ts'

/** An element as selectors see it. */
export interface Named {
  tag: string
  classes: readonly string[]
  id: string | undefined
  attributes: Iterable<string>
}

/** The style sheets of a page, as far as they were read. */
export interface Sheets {
  /** Reads a sheet for the media that its element names. Sheets for paper and narrow screens say nothing. */
  add(sheet: string, media: string): void
  /** Returns what the sheets say of an element. Selectors of more than one name are not read. */
  declarationsFor(element: Named): Declarations
}

const LONGEST_SHEET = 200_000
const SIMPLE = /^([a-z\d]{0,20})([.#][\w-]{1,100}|\[ ?[\w-]{1,100} ?\])$/
const EVERY_SCREEN = /^(?:(?:only )?(?:all|screen))?$/
// Above any number of rules.
const PER_ID = 1e9
const PER_TAG = 1e8

/** Starts without a sheet. Reading takes linear time, and so does each element in the number of its names. */
export function createSheets(): Sheets {
  const rules = new Map<string, Declarations>()
  let order = 0
  let hasAttributes = false

  function read(selectors: string, block: string): void {
    order += 1
    for (const selector of selectors.split(',')) {
      const [, tag = '', name = ''] = SIMPLE.exec(selector.trim()) ?? []
      if (name === '') continue
      const rank = order + (name.startsWith('#') ? PER_ID : 0) + (tag === '' ? 0 : PER_TAG)
      if (name.startsWith('[')) hasAttributes = true
      const key = tag + name.replaceAll(' ', '')
      const known = rules.get(key) ?? new Map()
      mergeAll(known, readable(declarationsOf(block, rank)))
      rules.set(key, known)
    }
  }

  return {
    add(sheet, media) {
      if (isForScreens(plainCss(media))) readRules(plainCss(uncommented(sheet.slice(0, LONGEST_SHEET))), read)
    },
    declarationsFor({ tag, classes, id, attributes }) {
      const found: Declarations = new Map()
      if (rules.size === 0) return found
      const names = classes.map(one => `.${one}`)
      if (id !== undefined) names.push(`#${id}`)
      if (hasAttributes) for (const attribute of attributes) names.push(`[${attribute}]`)
      for (const name of new Set(names)) {
        for (const key of [name, tag + name]) mergeAll(found, rules.get(key) ?? new Map())
      }
      return found
    },
  }
}

function readRules(sheet: string, read: (selectors: string, block: string) => void): void {
  // Whether each block around applies; a rule is read only where all do.
  const around: boolean[] = []
  let unread = 0
  let selector: string | undefined
  let startAt = 0
  for (let at = 0; at < sheet.length; at++) {
    const character = sheet[at]
    if (character === '{') {
      const head = sheet.slice(startAt, at).trim()
      const isMedia = head.startsWith('@media')
      const isRead = isMedia ? isForScreens(head.slice('@media'.length)) : !head.startsWith('@')
      around.push(isRead)
      unread += isRead ? 0 : 1
      selector = isMedia ? undefined : head
      startAt = at + 1
    } else if (character === '}') {
      if (selector !== undefined && unread === 0) read(selector, sheet.slice(startAt, at))
      selector = undefined
      if (around.pop() === false) unread -= 1
      startAt = at + 1
    } else if (character === ';' && (around.length === 0 || selector === undefined)) startAt = at + 1
  }
}

function isForScreens(media: string): boolean {
  return media.split(',').some(one => EVERY_SCREEN.test(one.trim()))
}

function uncommented(sheet: string): string {
  return sheet.replaceAll('<!--', ' ').replaceAll('-->', ' ')
}

// Selectors that are not read may give colours and sizes too, so those of sheets are taken as unknown.
function readable(all: Declarations): Declarations {
  for (const [property, one] of all) {
    if (property === 'font-size' && isTiny(one.value)) all.set(property, { ...one, value: 'inherit' })
    const isGround = property === 'background-color'
    if (isGround || (property === 'color' && !isClear(one.value))) all.set(property, { ...one, value: 'unknown' })
  }
  return all
}
