/** How much of a page is read: characters of its source and of its text, and tags. */
export interface PageLimits {
  source: number
  text: number
  tags: number
}

/** How much of a page is converted. A long newsletter has a tenth of this. */
export const PAGE_LIMITS: PageLimits = { source: 1_000_000, text: 100_000, tags: 20_000 }
