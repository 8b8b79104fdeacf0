import { decode } from 'html-entities'
import type { HtmlToText } from '../../shared/body/html-text.ts'

/** Converts pages that tests wrote: blocks become lines, and no page is too large. */
export const htmlToText: HtmlToText = async html => ({
  text: decode(
    html
      .replace(/<!--[^<>]*-->|<head>.*?<\/head>/gs, '')
      .replace(/<(?:br|\/p|\/div)[^<>]*>/g, '\n')
      .replace(/<[^<>]*>/g, ''),
  ),
  hidden: 0,
})
