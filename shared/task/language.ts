import type { Message } from '../message.ts'

// Scripts that one language of today's mail uses, by the first of a script's characters that occur. Kana precede Han, which Japanese has too.
const LANGUAGES: readonly (readonly [language: string, script: RegExp])[] = [
  ['ja', /[\p{Script=Hiragana}\p{Script=Katakana}]/u],
  ['ko', /\p{Script=Hangul}/u],
  ['zh', /\p{Script=Han}/u],
  ['th', /\p{Script=Thai}/u],
  ['el', /\p{Script=Greek}/u],
  ['he', /\p{Script=Hebrew}/u],
  ['ka', /\p{Script=Georgian}/u],
  ['hy', /\p{Script=Armenian}/u],
  ['ta', /\p{Script=Tamil}/u],
  ['te', /\p{Script=Telugu}/u],
  ['kn', /\p{Script=Kannada}/u],
  ['ml', /\p{Script=Malayalam}/u],
  ['gu', /\p{Script=Gujarati}/u],
  ['pa', /\p{Script=Gurmukhi}/u],
  ['si', /\p{Script=Sinhala}/u],
  ['km', /\p{Script=Khmer}/u],
  ['lo', /\p{Script=Lao}/u],
  ['my', /\p{Script=Myanmar}/u],
]
// Most mail has none of these, and is not read further.
const ANY = new RegExp(LANGUAGES.map(([, { source }]) => source).join('|'), 'u')
const ALL = new RegExp(ANY.source, 'gu')
const LETTER = /\p{L}/u
const MOST_CHARACTERS = 2000
const LEAST_LETTERS = 10
// Names and links in Latin letters stand in texts of every language.
const LEAST_SHARE = 0.4
// Japanese may be written with few kana.
const LEAST_KANA = 0.1

/**
 * Returns the language of a mail (ISO 639) where its script tells it, else the one that its sender declared, else `undefined`. Latin,
 * Cyrillic, Arabic and Devanagari letters tell none: many languages share them.
 */
export function languageOf({ body, snippet, contentLanguage }: Message): string | undefined {
  const text = (body?.text || snippet).slice(0, MOST_CHARACTERS)
  if (!ANY.test(text)) return contentLanguage
  const letters = text.match(/\p{L}/gu)?.length ?? 0
  if (letters < LEAST_LETTERS) return contentLanguage
  const counts = new Map<string, number>()
  for (const [letter] of text.matchAll(ALL)) {
    const [language] = LANGUAGES.find(([, script]) => LETTER.test(letter) && script.test(letter)) ?? []
    if (language !== undefined) counts.set(language, (counts.get(language) ?? 0) + 1)
  }
  const share = (language: string) => (counts.get(language) ?? 0) / letters
  if (share('ja') >= LEAST_KANA && share('ja') + share('zh') >= LEAST_SHARE) return 'ja'
  return [...counts.keys()].find(language => share(language) >= LEAST_SHARE) ?? contentLanguage
}
