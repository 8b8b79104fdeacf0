import { envelopeDateMs } from './date.ts'

/**
 * A line that begins with "From ", the lines from it to the next blank one, and whether it follows a blank
 * line.
 */
export interface Candidate {
  line: string
  /** Returns at most `FOLLOWING_BYTES` of whole lines, without the first line that begins with "From ". */
  block(): readonly string[]
  afterBlank: boolean
}

/**
 * The judgement on a candidate. `mail` starts a mail, `dated` does so if a Content-Length ends the mail
 * before, `text` does not.
 */
export type Verdict = 'mail' | 'dated' | 'text'

/** The beginning of a line that may start a mail. */
export const FROM = 'From '
/** The number of bytes of such a line, and after it, that are read to judge it. */
export const LINE_BYTES = 512
export const FOLLOWING_BYTES = 4096
const LONGEST_LOG = FOLLOWING_BYTES / 2

const ONE_SENDER = /^From +(?:[^\s"]\S*|"[^"]*"\S*) +(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b/
const TAKEOUT = /^From \d+@xxx /
// `git format-patch` begins each patch so, whenever it was made; such patches are sent in mail.
const PATCH = /^From [0-9a-f]{40,64} Mon Sep 17 00:00:00 2001\s*$/
const HEADER = /^[!-9;-~]{1,100}[ \t]*:/
const SAYS_WHEN = /^(?:received|date|message-id|return-path|delivered-to|x-gm-thrid)[ \t]*:/i
const OF_MAIL =
  /^(?:from|to|cc|subject|sender|reply-to|mime-version|content-[a-z-]+|status|in-reply-to|references|x-[a-z-]+)[ \t]*:/i

/**
 * Creates a judge for the lines of one mbox from its first, which must be dated or be followed by headers;
 * `undefined` if it is neither. A separator follows a blank line, ends with a date, and precedes headers (RFC
 * 4155). One without a date needs headers that say when the mail came, unless the first has none either. In a
 * Takeout export all separators have both.
 */
export function judgeBy(first: Candidate): ((candidate: Candidate) => Verdict) | undefined {
  const firstDated = isDated(first.line)
  const firstBlock = first.block()
  if (!firstDated && !isHead(firstBlock)) return undefined
  const isPatches = PATCH.test(first.line)
  const takeout = TAKEOUT.test(first.line) && HEADER.test(firstBlock[0] ?? '')

  return ({ line, block: read, afterBlank }) => {
    if (!isPatches && PATCH.test(line)) return 'text'
    const dated = isDated(line)
    if (!afterBlank) return dated && ONE_SENDER.test(line) ? 'dated' : 'text'
    const block = read()
    const [next = ''] = block
    if (takeout)
      return dated && (TAKEOUT.test(line) ? HEADER.test(next) : ONE_SENDER.test(line) && isOfMail(next))
        ? 'mail'
        : 'text'
    if (!dated) return isHead(block) && (!firstDated || block.some(one => SAYS_WHEN.test(one))) ? 'mail' : 'text'
    // Lines of a log look like headers, but none of them is one that mail has.
    if (HEADER.test(next) && (block.some(isOfMail) || sizeOf(block) > LONGEST_LOG)) return 'mail'
    if (!ONE_SENDER.test(line)) return 'text'
    return next === '' || block.some(isOfMail) ? 'mail' : 'dated'
  }
}

// Seals and signatures may fill all that was read of a mail's headers.
function sizeOf(block: readonly string[]): number {
  return block.reduce((sum, line) => sum + line.length, 0)
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
