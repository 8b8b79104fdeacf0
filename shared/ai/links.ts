import { isActive, keyOf, mayLink, trimmed } from './link-view.ts'
import { withoutMarkup } from './markup.ts'

/** A text without links and addresses of its own, and how many were removed. */
export interface Filtered {
  text: string
  links: number
  addresses: number
  images: number
}

const LINK_REMOVED = '[link removed]'
const ADDRESS_REMOVED = '[address removed]'
const RUN = /[^\s<]+/g
// What links consist of in any notation; most runs have none of it.
const MARKED = /[.:@%&\\\u3002\uff0e\uff61\uff1a\uff20]/
const BEYOND_LINK = /[^A-Za-z\d\-._~:/?#@!$&*+=%]/
// A run of more known links is no text.
const MOST_LINKS = 20
const BETWEEN_ADDRESSES = /([,;:|/()[\]{}'"?=&<>]+)/
// Invisible characters hide links; joiners are part of words and emoji.
const INVISIBLE = /(?![\u200c\u200d])\p{Cf}/gu
// Some readers end a link only at a plain blank.
const OTHER_BLANKS = /[^\S\n\t ]/g

/**
 * Creates a filter that removes all images, and all links and addresses that these texts do not hold. A link is known only as a whole, so
 * nothing can be appended to it.
 */
export function createLinkFilter(texts: readonly string[]): (text: string) => Filtered {
  const links = new Set<string>()
  const addresses = new Set<string>()
  for (const text of texts) for (const [run] of text.matchAll(RUN)) remember(run)

  return text => {
    const counted = { links: 0, addresses: 0 }
    const visible = text.replace(INVISIBLE, '').replace(OTHER_BLANKS, ' ')
    const unmarked = withoutMarkup(visible, inside => isKnown(trimmed(inside.split(/\s/, 1)[0] ?? '').core))
    const clean = unmarked.text.replace(RUN, run => judged(run, counted))
    return { text: clean, images: unmarked.images, links: counted.links + unmarked.links, addresses: counted.addresses }
  }

  function remember(run: string): void {
    if (!MARKED.test(run) || !mayLink(run)) return
    const { core } = trimmed(run)
    const { link } = fromLink(core)
    for (const part of core.split(BETWEEN_ADDRESSES)) if (part.includes('@')) addresses.add(keyOf(trimmed(part).core))
    if (core.includes('@') && !core.includes('://')) return
    for (const known of [core, link, headOf(core), headOf(link)]) links.add(keyOf(trimmed(known).core))
    links.add(keyOf(link).split(/[/?#]/, 1)[0] ?? '')
    // A scheme alone has no key.
    links.delete('')
  }

  function isKnown(link: string): boolean {
    if (/^mailto:/i.test(link)) return addresses.has(keyOf(link.slice('mailto:'.length)))
    if (isActive(link)) return false
    return links.has(keyOf(link)) || (!link.includes('://') && addresses.has(keyOf(link)))
  }

  // A known link keeps its place; a blank separates it from what else a reader may take for a part of it.
  function judged(run: string, counted: Removed): string {
    const kept: string[] = []
    let rest = run
    for (let tries = 0; MARKED.test(rest) && mayLink(rest); tries++) {
      const { before, core, after } = trimmed(rest)
      const { lead, link } = fromLink(core)
      if (isKnown(core) || (isKnown(link) && !mayLink(lead))) break
      const head = headOf(link)
      const isPart = head !== '' && head !== link && !mayLink(lead) && isKnown(trimmed(head).core)
      if (!isPart || tries === MOST_LINKS) {
        kept.push(before, withoutUnknown(core, counted), after)
        rest = ''
      } else {
        kept.push(before, lead, head, ' ')
        rest = `${link.slice(head.length)}${after}`
      }
    }
    return `${kept.join('')}${rest}`
  }

  function withoutUnknown(core: string, counted: Removed): string {
    const isAddresses = core.includes('@') && !core.includes('://') && !isActive(core) && !/mailto:/i.test(core)
    const parts = isAddresses ? core.split(BETWEEN_ADDRESSES) : []
    const unknown = new Set(parts.filter(part => mayLink(part) && !isKnown(trimmed(part).core)))
    if (unknown.size === 0) {
      counted.links += 1
      return LINK_REMOVED
    }
    return parts
      .map(part => {
        if (!unknown.has(part)) return part
        counted[part.includes('@') ? 'addresses' : 'links'] += 1
        return part.includes('@') ? ADDRESS_REMOVED : LINK_REMOVED
      })
      .join('')
  }
}

interface Removed {
  links: number
  addresses: number
}

// Splits off a word before a link, as in "Link:https://example.com".
function fromLink(core: string): { lead: string; link: string } {
  const colon = core.indexOf('://')
  const www = core.search(/www\./i)
  let start = colon < 0 ? Math.max(0, www) : colon
  if (colon >= 0) while (start > 0 && /[a-z\d+-]/i.test(core.charAt(start - 1))) start -= 1
  return { lead: core.slice(0, start), link: core.slice(start) }
}

// The characters up to the first one that links seldom have.
function headOf(link: string): string {
  const end = link.search(BEYOND_LINK)
  return end < 0 ? link : link.slice(0, end)
}
