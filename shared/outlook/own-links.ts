import type { Links } from '../provider/links.ts'

/**
 * Restricts links to this Graph. A link of another one, such as a simulator whose port has changed, counts as
 * lost, so its listing restarts. Texts without a link are kept.
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
