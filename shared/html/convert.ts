import { compile } from 'html-to-text'
import type { HtmlText } from '../body/html-text.ts'
import { withoutPadding } from '../mail/words.ts'
import { PAGE_LIMITS } from './limits.ts'
import { visiblePage } from './visible.ts'

// Lone surrogates, and control characters other than the tab.
const UNFIT = /\p{Surrogate}|[^\P{Cc}\t]/gu
const heading = { options: { uppercase: false } }
const toText = compile({
  wordwrap: false,
  selectors: [
    ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6'].map(selector => ({ selector, ...heading })),
    { selector: 'a', options: { hideLinkHrefIfSameAsText: true } },
    { selector: 'blockquote', options: { leadingLineBreaks: 1 } },
    { selector: 'hr', options: { length: 10 } },
    { selector: 'ul', options: { itemPrefix: '- ' } },
  ],
})

/** Converts a page to the text that its readers see. Takes linear time. */
export function convertHtml(html: string): HtmlText {
  const page = visiblePage(html, PAGE_LIMITS)
  const written = toText(page.html)
  const text = withoutPadding(written)
  const isPart = page.isCut || text.length > PAGE_LIMITS.text
  return {
    text: tidy(text).slice(0, PAGE_LIMITS.text),
    hidden: page.hidden + written.length - text.length,
    ...(isPart ? { isPart: true, note: 'the page is too large' } : {}),
  }
}

// One empty line at most, and no blanks at the end of lines.
function tidy(text: string): string {
  const lines: string[] = []
  for (const written of text.split(/\r\n|[\n\r\v\f\u0085\u2028\u2029]/)) {
    const line = written
      .replace(/\u00a0[\u00a0 ]*/g, ' ')
      .replace(UNFIT, '')
      .trimEnd()
    if (line !== '' || (lines.length > 0 && lines.at(-1) !== '')) lines.push(line)
  }
  return lines.join('\n').trimEnd()
}
