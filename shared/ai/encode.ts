// Templates of models read these as the start of a role or a turn: <|im_end|>, </s>, [INST], [/TOOL_RESULTS].
const MARKUP = /[<>&\u2028\u2029]/g
const BRACKETED = /\[(?=\/?[A-Za-z_]{2,40}\])(?!(?:true|false|null)\])/g

/**
 * Writes a value as JSON on one line, in which texts hold no `<`, `>` or `&`, and no role in brackets: JSON escapes stand for them. No text
 * can therefore end a delimiter in angle brackets, or begin a turn. `JSON.parse` returns the same value.
 */
export function encodeData(value: unknown): string {
  return JSON.stringify(value).replace(MARKUP, escaped).replace(BRACKETED, escaped)
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
