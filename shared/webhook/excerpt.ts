import { cutText, oneLine } from '../text.ts'

const LONGEST = 200
const MOST_READ = 1000
const HIDDEN = '…'
const TAGS = /<[^<>]*>/g
// Base64, percent-encoding, quoted-printable and hexadecimal digits.
const ENCODINGS = /[\w+/=%-]{40,}/g
// The letters beside an escape of percent-encoding or quoted-printable would join with its digits.
const ESCAPES = /[%=][\da-f]{2}/gi
// Whatever lies between blanks and the punctuation of ASCII.
const WORDS = /[^\s!-/:-@[-`{-~]+/g
const ASCII = /^[\x20-\x7e]*$/
// They say what is wrong with a request and nothing about a mail: fields of tasks, and words of refusals.
const HARMLESS = new Set(
  `type timestamp data analysis task mailbox thread version subject participants messages message from date text labels address name
  truncated omitted omissions promptversion the and are was not must for this that with only invalid required missing unknown unexpected
  expected field value error bad request body json string number object array null true false too large long already exists found
  unsupported failed wrong denied schema validation`.split(/\s+/),
)

/**
 * Returns the beginning of an answer for an error message, cleaned, at most 200 characters. Receivers quote the requests they refuse, so any
 * word that `sent` has becomes `…`, but for words of fields and refusals. So does all that looks like an encoding.
 */
export function excerptOf(answer: string, sent: string): string {
  const known = sent.toLowerCase()
  const hidden = beginning(oneLine(unescaped(answer).replace(TAGS, ' ')))
    .replace(ENCODINGS, HIDDEN)
    .replace(ESCAPES, ' ')
    .replace(WORDS, word => (isOf(known, word.toLowerCase()) ? HIDDEN : word))
  return cutText(hidden.replace(/…(?:[^\p{L}\p{N}…]*…)+/gu, HIDDEN), LONGEST)
}

function isOf(known: string, word: string): boolean {
  if (ASCII.test(word)) return word.length > 2 && !HARMLESS.has(word) && known.includes(word)
  // Scripts without blanks join the receiver's words and those of the mail.
  const [first = '', ...others] = [...word]
  const pairs = others.map((one, place) => (others[place - 1] ?? first) + one)
  return (pairs.length === 0 ? [first] : pairs).some(pair => known.includes(pair))
}

// Without a last word that was cut: a part of it may look harmless.
function beginning(text: string): string {
  if (text.length <= MOST_READ) return text
  return text.slice(0, text.lastIndexOf(' ', MOST_READ) + 1)
}

// JSON may write any letter as an escape.
function unescaped(answer: string): string {
  try {
    return JSON.stringify(JSON.parse(answer))
  } catch {
    return answer
  }
}
