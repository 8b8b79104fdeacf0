import { cleanLines } from '../text.ts'
import { type Citable, isQuoted, normalizedSources } from './citations.ts'
import { createLinkFilter } from './links.ts'
import { textsIn } from './texts.ts'

/** What an answer is checked against: the texts that were sent. */
export interface Grounds {
  /** The texts of each message, by the name that the answer cites. */
  sources: ReadonlyMap<string, readonly string[]>
  /** Every text that was sent. */
  texts: readonly string[]
  /** The id of each message by that name. */
  ids: ReadonlyMap<string, string>
  /** The schema of the answer, whose own texts may stand in it. */
  schema: unknown
}

/** An answer without what no mail says, and how much that was. */
export interface Grounded {
  output: Record<string, unknown>
  removed: { items: number; links: number; addresses: number; images: number }
}

/** A value that has to go: it cites what no mail says, or it consists of such citations. */
const LOST = Symbol('lost')

/**
 * Removes what the mail does not say. An object with `message` and `quote` is a citation: it stays only where that message holds the quote,
 * apart from white space and invisible characters, and then names the message by its id. Otherwise the item of a list that holds it goes; a
 * field outside of lists becomes null. Links and addresses that no mail has, and all images, are removed from all texts.
 */
export function grounded(answer: Record<string, unknown>, { sources, texts, ids, schema }: Grounds): Grounded {
  const removed = { items: 0, links: 0, addresses: 0, images: 0 }
  const citable = normalizedSources(sources)
  const filter = createLinkFilter([...texts, ...textsIn(schema)])

  const output = fieldsOf(answer, false)
  return { output: output === LOST ? {} : output, removed }

  function checked(value: unknown, isInList: boolean): unknown {
    if (typeof value === 'string') return cleaned(value)
    if (Array.isArray(value)) return listOf(value, isInList)
    return isRecord(value) ? fieldsOf(value, isInList) : value
  }

  // A list inside an item that loses all its citations takes the item along: nothing supports it any more.
  function listOf(items: readonly unknown[], isInList: boolean): unknown[] | typeof LOST {
    const kept = items.map(item => checked(item, true)).filter(item => item !== LOST)
    if (isInList && kept.length === 0 && items.length > 0) return LOST
    removed.items += items.length - kept.length
    return kept
  }

  function fieldsOf(object: Record<string, unknown>, isInList: boolean): Record<string, unknown> | typeof LOST {
    const message = citedIn(object, citable)
    if (message === undefined) return countedAsLost(isInList)
    const fields: [string, unknown][] = []
    for (const [name, field] of Object.entries(object)) {
      if (name === 'message' && message !== '') fields.push([name, ids.get(message) ?? message])
      else {
        const value = checked(field, isInList)
        if (value === LOST && isInList) return LOST
        fields.push([name, value === LOST ? null : value])
      }
    }
    return Object.fromEntries(fields)
  }

  // Items of lists are counted by their list.
  function countedAsLost(isInList: boolean): typeof LOST {
    if (!isInList) removed.items += 1
    return LOST
  }

  function cleaned(text: string): string {
    const { text: clean, links, addresses, images } = filter(cleanLines(text))
    removed.links += links
    removed.addresses += addresses
    removed.images += images
    return clean
  }
}

// The name of the cited message; empty where the object is no citation, `undefined` where no message holds its quote.
function citedIn(object: Record<string, unknown>, citable: Citable): string | undefined {
  if (!Object.hasOwn(object, 'message') || !Object.hasOwn(object, 'quote')) return ''
  const { message, quote } = object
  if (typeof message !== 'string' || typeof quote !== 'string') return undefined
  return isQuoted(citable, message, quote) ? message : undefined
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
