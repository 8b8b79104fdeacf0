import { forwardsIn } from '../body/forwards.ts'
import { trimQuotes } from '../body/quotes.ts'
import type { Message, MessageId } from '../message.ts'
import { cutText } from '../text.ts'

/** Words that stand in an earlier message of the task, perhaps as a quote there too (`isCopy`), and the characters of their lines. */
export interface TaskQuote {
  in: MessageId
  words: number
  characters: number
  isCopy: boolean
}

/** The text of a message in a task, and what of the mail's text it does not hold. */
export interface TaskText {
  text: string
  /** How many characters of the text are missing, where it was read. */
  missing: number
  quotes: TaskQuote[]
  /** Characters of signatures and footers. */
  signature: number
}

/**
 * Returns the whole text of a message: its body, or the provider's preview where that was not read or is empty. It is empty where all that
 * the mail says is hidden, because the preview shows that.
 */
export function wholeText(message: Message, mostCharacters: number): TaskText {
  const { body } = message
  const text = body && body.text !== '' ? body.text : previewOf(message)
  const cut = cutText(text, mostCharacters)
  return { text: cut, missing: text.length - cut.length, quotes: [], signature: 0 }
}

/** Returns the shortest text of a message that says something: the provider's preview, or the body where that is no longer. */
export function shortText(message: Message, mostCharacters: number): TaskText {
  const { body } = message
  const snippet = previewOf(message)
  const isBody = body && body.text !== '' && (body.text.length <= snippet.length || snippet === '')
  const text = cutText(isBody ? body.text : snippet, mostCharacters)
  return { text, missing: Math.max(0, (body?.text.length ?? 0) - text.length), quotes: [], signature: 0 }
}

// The provider's preview may begin with what the mail hides.
function previewOf({ body, snippet }: Message): string {
  const isMisleading = body && ((body.hidden ?? 0) > 0 || body.differs)
  return isMisleading ? cutText(body.text, snippet.length) : snippet
}

/**
 * Returns the texts of messages without quotes of the others among them, or only of those among `holders`, without signatures and without
 * footers; both newest first.
 */
export function trimmedTexts(
  newestFirst: readonly Message[],
  mostCharacters: number,
  holders?: ReadonlySet<MessageId>,
): TaskText[] {
  const whole = newestFirst.map(one => wholeText(one, mostCharacters))
  if (newestFirst.every(({ body }) => body === undefined)) return whole
  const isForward = forwardsIn(newestFirst.toReversed()).reverse()
  const bodies = newestFirst.flatMap(({ id, body }, place) => {
    const text = whole[place]?.text ?? ''
    const holdsNothing = holders ? !holders.has(id) : false
    return body ? [{ id, text, isForward: isForward[place] ?? false, holdsNothing }] : []
  })
  const trimmed = trimQuotes(bodies.toReversed())
  const byId = new Map(trimmed.map(one => [one.id, one]))
  return newestFirst.map((one, place): TaskText => {
    const all = whole[place] ?? { text: '', missing: 0, quotes: [], signature: 0 }
    const found = byId.get(one.id)
    if (!found || !one.body) return all
    const quotes = found.removed.map(({ from, words, characters, isCopy = false }) => ({
      in: from,
      words,
      characters,
      isCopy,
    }))
    return { text: found.text, missing: all.missing, quotes, signature: found.signature }
  })
}

/** Returns a text whose quotes count as missing where nothing holds them. */
export function heldBy(text: TaskText, isHeld: (quote: TaskQuote) => boolean): TaskText {
  const quotes = text.quotes.filter(isHeld)
  const others = text.quotes.filter(quote => !isHeld(quote))
  return { ...text, quotes, missing: others.reduce((sum, { characters }) => sum + characters, text.missing) }
}
