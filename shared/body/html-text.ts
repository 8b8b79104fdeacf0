/**
 * The visible text of an HTML page. `hidden` counts removed characters that readers do not see. With `isPart` the page has more text; `note`
 * says why.
 */
export interface HtmlText {
  text: string
  hidden: number
  isPart?: true
  note?: string
}

/** Converts an HTML page to text. Never throws and never takes long: what cannot be converted is missing, and `note` says so. */
export type HtmlToText = (html: string) => Promise<HtmlText>
