import type { Links } from '../provider/links.ts'

/**
 * Links that lead to this Graph alone. What another one gave, such as a simulator that has another port by now, is as if it was lost: it is
 * asked for again, from its beginning. Texts without a link stay.
 */
export function ownLinks(links: Links, origin: string): Links {
  const isOwn = (text: string): boolean => {
    const link = linkIn(text)
    return link === undefined || !URL.canParse(link) || new URL(link).origin === origin
  }
  return {
    ...links,
    async read(names) {
      return new Map([...(await links.read(names))].filter(([, text]) => isOwn(text)))
    },
    async folders() {
      const text = await links.folders()
      return text !== undefined && isOwn(text) ? text : undefined
    },
  }
}

function linkIn(text: string): string | undefined {
  try {
    const { link } = JSON.parse(text) as { link?: unknown }
    return typeof link === 'string' ? link : undefined
  } catch {
    return undefined
  }
}
