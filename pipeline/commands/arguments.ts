import { InvalidArgumentError } from 'commander'
import { MailError } from '../../shared/error.ts'
import { markIn, trimmed } from '../../shared/settings/text.ts'
import { STAGE_NAMES, type StageName } from '../../shared/stage.ts'

/** Appends a value of a repeatable option. */
export function collect(value: string, before: string[]): string[] {
  return [...before, value]
}

/**
 * Wraps the parser of a command argument in the rules of settings: trims white space and rejects leftover quotes, comments and variables.
 * Reports its errors as wrong use.
 */
export function checked<T>(parse: (text: string) => T): (text: string) => T {
  return given => {
    const text = trimmed(given)
    const mark = markIn(text, '')
    if (mark !== undefined) throw new InvalidArgumentError(`use ${mark}.`)
    try {
      return parse(text)
    } catch (error) {
      throw new InvalidArgumentError(error instanceof Error ? error.message : String(error))
    }
  }
}

/** Reads a whole number from `low` to `high`. */
export function wholeNumber(low: number, high: number): (text: string) => number {
  return text => {
    const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
    if (!(number >= low && number <= high)) throw new InvalidArgumentError(`use a whole number from ${low} to ${high}.`)
    return number
  }
}

/** Reads one word, such as a name, an address or an id. */
export function word(text: string): string {
  if (!/^\S+$/.test(text)) throw new InvalidArgumentError('use one word.')
  return text
}

/** Reads an http or https address. */
export function webAddress(text: string): string {
  if (!/^https?:/.test(text) || !URL.canParse(text)) throw new InvalidArgumentError('use an http or https address.')
  return text
}

/** Reads `list-ids,merge`; throws `misconfigured` with the valid names. */
export function parseStages(text: string): StageName[] {
  return text.split(',').map(word => {
    const name = STAGE_NAMES.find(one => one === word.trim())
    if (!name) throw new MailError('misconfigured', `"${word}" is not a stage; use one of ${STAGE_NAMES.join(', ')}`)
    return name
  })
}

/** Reads the name of one stage. */
export function oneStage(text: string): StageName {
  const [name, ...others] = parseStages(text)
  if (!name || others.length > 0) throw new InvalidArgumentError('name exactly one stage.')
  return name
}

/** Reads a Gmail history id of up to 20 digits. */
export function historyId(text: string): string {
  if (!/^\d{1,20}$/.test(text)) throw new InvalidArgumentError('use a history id of up to 20 digits.')
  return text
}
