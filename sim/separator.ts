import { envelopeDateMs } from './date.ts'

/** A line that begins with "From ", the lines from it to the next blank one, and whether it follows a blank line. */
export interface Candidate {
  line: string
  /** At most `FOLLOWING_BYTES` of whole lines, without the first line that begins with "From ". */
  block(): readonly string[]
  afterBlank: boolean
}

/** Whether a candidate begins a mail; `dated` says that it does where a Content-Length ends the mail before. */
export type Verdict = 'mail' | 'dated' | 'text'

/** Where a line begins that may begin a mail. */
export const FROM = 'From '
/** How many bytes of such a line, and after it, are read to judge it. */
export const LINE_BYTES = 512
export const FOLLOWING_BYTES = 4096

const ONE_SENDER = /^From +(?:[^\s"]\S*|"[^"]*"\S*) +(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b/
const TAKEOUT = /^From \d+@xxx /
const HEADER = /^[!-9;-~]{1,100}[ \t]*:/
const SAYS_WHEN = /^(?:received|date|message-id|return-path|delivered-to|x-gm-thrid)[ \t]*:/i
const OF_MAIL =
  /^(?:from|to|cc|subject|sender|reply-to|mime-version|content-[a-z-]+|status|in-reply-to|references|x-[a-z-]+)[ \t]*:/i

/**
 * Judges the lines of one mbox by its first, which begins a mail if it is dated or headers follow it; `undefined` where it does not. A
 * separator follows a blank line, ends with a date, and headers follow it (RFC 4155). One without a date takes headers alone that say when
 * the mail came, unless the first has none either. In a Takeout export all separators have both.
 */
export function judgeBy(first: Candidate): ((candidate: Candidate) => Verdict) | undefined {
  const firstDated = isDated(first.line)
  const firstBlock = first.block()
  if (!firstDated && !isHead(firstBlock)) return undefined
  const takeout = TAKEOUT.test(first.line) && HEADER.test(firstBlock[0] ?? '')

  return ({ line, block: read, afterBlank }) => {
    const dated = isDated(line)
    if (!afterBlank) return dated && ONE_SENDER.test(line) ? 'dated' : 'text'
    const block = read()
    const [next = ''] = block
    if (takeout)
      return dated && (TAKEOUT.test(line) ? HEADER.test(next) : ONE_SENDER.test(line) && isOfMail(next))
        ? 'mail'
        : 'text'
    if (!dated) return isHead(block) && (!firstDated || block.some(one => SAYS_WHEN.test(one))) ? 'mail' : 'text'
    if (HEADER.test(next)) return 'mail'
    if (!ONE_SENDER.test(line)) return 'text'
    return next === '' || block.some(isOfMail) ? 'mail' : 'dated'
  }
}

function isDated(line: string): boolean {
  return envelopeDateMs(line) !== undefined
}

function isHead(block: readonly string[]): boolean {
  const isHeader = (line: string, index: number) => HEADER.test(line) || (index > 0 && /^[ \t]/.test(line))
  return block.length > 0 && block.every(isHeader) && block.some(isOfMail)
}

function isOfMail(line: string): boolean {
  return SAYS_WHEN.test(line) || OF_MAIL.test(line)
}
