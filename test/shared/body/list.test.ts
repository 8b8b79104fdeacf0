import t from 'tap'
import { trimQuotes } from '../../../shared/body/quotes.ts'
import { judgeLines, type Verdict } from '../../../shared/body/verdicts.ts'
import { loadMail } from '../../../sim/mbox.ts'
import { parseMime } from '../../../sim/mime.ts'
import { leavesOf } from '../../../sim/snippet.ts'
import { groupThreads } from '../../../sim/threads.ts'
import { corpus } from '../../sim/client.ts'

const MOST_LOST = 0.12
const LEAST_GONE = 0.7
const PASSAGE = 5

interface Mail {
  id: string
  text: string
}

const list = corpus('mailing-list.mbox')

t.test('on a real mailing list, the mail that a removed line names holds it', { skip: list.skip }, async t => {
  const threads = await threadsOf(list.path)
  let lines = 0
  for (const thread of threads) {
    const passages = thread.map(({ text }) => passagesOf(wordsIn(text)))
    const runs = thread.map(({ text }) => ` ${wordsIn(text).join(' ')} `)
    const trimmed = trimQuotes(thread)
    for (const [place, verdicts = []] of judgeLines(thread).entries()) {
      const unfound = verdicts.filter(({ holder, fate }) => fate === 'quote' && !((holder ?? place) < place))
      const loose = looseLines(verdicts, passages)
      const isRun = ({ line, holder }: Verdict) => runs[holder ?? -1]?.includes(` ${wordsIn(line.text).join(' ')} `)
      const torn = verdicts.find(one => one.fate === 'quote' && !isRun(one))
      if (torn) t.fail(`${thread[place]?.id}: not in one run: ${torn.line.text}`)
      if (unfound.length + loose.length > 0) t.fail(`${thread[place]?.id}: no mail holds ${loose[0]}`)
      const removed = trimmed[place]?.removed ?? []
      const ids = verdicts.flatMap(({ fate, holder }) => (fate === 'quote' ? [thread[holder ?? place]?.id] : []))
      lines += ids.length
      const isNamed = removed.length === new Set(ids).size && removed.every(({ from }) => ids.includes(from))
      if (!isNamed || sumOf(removed, one => one.lines) !== ids.length)
        t.fail(`${thread[place]?.id} names ${JSON.stringify(removed)}`)
    }
  }
  t.ok(lines > 10_000, `${lines} lines were removed; the mail that each names holds it`)
})

t.test('on a real mailing list, quotes go and new text stays', { skip: list.skip }, async t => {
  const all = (await threadsOf(list.path)).flatMap(thread => judgeLines(thread).flatMap(verdicts => verdicts ?? []))
  const wordsOf = (isMeant: (verdict: Verdict) => boolean) =>
    sumOf(all.filter(isMeant), ({ line }) => line.wordEnd - line.wordAt)
  const isMarked = ({ line }: Verdict) => line.depth > 0
  const marked = wordsOf(isMarked)
  const gone = wordsOf(one => isMarked(one) && one.fate === 'quote')
  const asked = wordsOf(one => isMarked(one) && one.fate === 'question')
  const unmarked = wordsOf(one => !isMarked(one))
  const lost = wordsOf(one => !isMarked(one) && one.fate === 'quote')
  const signed = wordsOf(one => one.fate === 'signature')
  t.comment(
    `quoted words (on lines that begin with ">"): ${marked}, of which earlier mail holds ${gone + asked} (${percent(gone + asked, marked)}). ` +
      `Of those ${percent(gone, gone + asked)} go (${percent(gone, marked)} of all), and ${percent(asked, gone + asked)} stay as answered questions`,
  )
  t.comment(
    `unquoted words: ${unmarked}, of which ${percent(lost, unmarked)} go because earlier mail holds them (quotes without marks, repeated footers), ` +
      `and ${percent(signed, unmarked)} are counted as signatures and footers`,
  )
  t.ok(gone / (gone + asked) >= LEAST_GONE)
  t.ok(lost / unmarked <= MOST_LOST)
})

// Lines with a word that stands in no passage which the named mail has as well.
function looseLines(verdicts: readonly Verdict[], passages: readonly ReadonlySet<string>[]): string[] {
  const words = verdicts.map(({ line }) => wordsIn(line.text))
  const all = words.flat()
  let at = 0
  return verdicts.flatMap(({ line, fate, holder }, place) => {
    const [from, to] = [at, at + (words[place]?.length ?? 0)]
    at = to
    const held = passages[holder ?? -1]
    if (fate !== 'quote' || !held) return fate === 'quote' ? [line.text] : []
    const isHeld = (word: number) =>
      Array.from({ length: PASSAGE }, (_, back) => word - back).some(
        start => start >= 0 && start + PASSAGE <= all.length && held.has(all.slice(start, start + PASSAGE).join(' ')),
      )
    for (let word = from; word < to; word++) if (!isHeld(word)) return [line.text]
    return []
  })
}

function passagesOf(words: readonly string[]): Set<string> {
  return new Set(words.slice(PASSAGE - 1).map((_, at) => words.slice(at, at + PASSAGE).join(' ')))
}

// Symbols are words as well.
function wordsIn(text: string): string[] {
  const unmarked = text.replace(/^ {0,3}>[ >]*/gm, '')
  return unmarked.match(/[\p{L}\p{M}\p{N}]+[?!]*|[\p{S}%#?!][\p{S}\p{M}%#?!]*|\[ ?\]/gu) ?? []
}

async function threadsOf(path: string): Promise<Mail[][]> {
  const mailbox = await loadMail(path)
  const threads = groupThreads()
  for (let index = 0; index < mailbox.size; index++) threads.add(mailbox.message(index), { merging: true })
  const grouped = new Map<number, Mail[]>()
  for (let index = 0; index < mailbox.size; index++) {
    const root = parseMime((await mailbox.message(index).read()).toString('latin1'))
    const texts = leavesOf(root).filter(({ mimeType, filename }) => mimeType === 'text/plain' && filename === '')
    const text = texts.map(part => part.content().toString('utf8').replaceAll('\r\n', '\n')).join('\n')
    const first = threads.firstOf(index)
    grouped.set(first, [...(grouped.get(first) ?? []), { id: `m${index}`, text }])
  }
  return [...grouped.values()]
}

function sumOf<T>(all: readonly T[], sizeOf: (one: T) => number): number {
  return all.reduce((sum, one) => sum + sizeOf(one), 0)
}

function percent(part: number, whole: number): string {
  return `${((part / whole) * 100).toFixed(1)} %`
}
