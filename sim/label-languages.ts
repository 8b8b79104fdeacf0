import { LABEL_NAMES, NAMED } from './label-names.ts'
import { splitLabels, systemLabel } from './labels.ts'

/**
 * Translates label names of an export into Gmail's ids. Drops states that are not labels, and keeps user
 * labels.
 */
export type Translate = (names: readonly string[]) => readonly string[]

/** System label names by id, as given by the export's owner; `|` separates several names. */
export type GivenLabels = Readonly<Record<string, string>>

/**
 * Labels that are left out by default. An export in an unknown language is refused unless all three are
 * named.
 */
const MUST_BE_NAMED = ['SPAM', 'TRASH', 'DRAFT']
const NO_LABELS = new Set<string>(['OPENED', 'ARCHIVED'])
// Nearly every mail of an export carries one of these, so they reveal its language.
const REVEALING = new Set<string>(['INBOX', 'SENT', 'UNREAD', 'OPENED', 'ARCHIVED'])
const SHOWN_NAMES = 8

interface Language {
  ids: ReadonlyMap<string, string>
  revealing: ReadonlySet<string>
}

const LANGUAGES: ReadonlyMap<string, Language> = new Map(
  Object.entries(LABEL_NAMES).map(([language, row]) => {
    const ids = new Map<string, string>()
    for (const [index, names] of row.entries())
      for (const name of names.split('|')) ids.set(plain(name), NAMED[index] ?? '')
    return [language, { ids, revealing: new Set([...ids].flatMap(([name, id]) => (REVEALING.has(id) ? [name] : []))) }]
  }),
)
const ENGLISH: ReadonlyMap<string, string> = LANGUAGES.get('English')?.ids ?? new Map<string, string>()

/**
 * The labels of one export. All mails are read before translation, because only together they reveal the
 * language.
 */
export interface ExportLabels {
  /** Returns the names in one mail's `X-Gmail-Labels`, the same list for the same value. */
  read(value: string): readonly string[]
  /** Throws an Error with labels and remedy if mail carries labels in an unknown language. */
  translator(path: string, given: GivenLabels): Translate
}

/** Creates an empty set of export labels. */
export function openExportLabels(): ExportLabels {
  // Copies the text: a slice of a header would keep the whole header block in memory.
  const copy = (text: string) => Buffer.from(text).toString()
  const lists = new Map<string, readonly string[]>()
  const mails: (readonly string[])[] = []
  return {
    read(value) {
      const names = lists.get(value) ?? splitLabels(value).map(copy)
      if (!lists.has(value)) lists.set(copy(value), names)
      mails.push(names)
      return names
    },
    translator(path, given) {
      const translate = findLanguages(mails, { path, given })
      const reported = new Map<readonly string[], readonly string[]>()
      return names => {
        const known = reported.get(names) ?? translate(names)
        reported.set(names, known)
        return known
      }
    },
  }
}

/** Reads the `X-Gmail-Labels` of a single mail: Gmail's ids and English names. */
export const readEnglish = (value: string): readonly string[] => translateBy([ENGLISH])(splitLabels(value))

/**
 * Finds the languages of an export's labels and how to translate them. The names are those of each mail with
 * the header. A name is a system label only if the export contains its language: "Papierkorb" among English
 * labels is a user label. Throws an Error with labels and remedy if mail carries labels and no language is
 * found.
 */
function findLanguages(
  mails: readonly (readonly string[])[],
  { path, given }: { path: string; given: GivenLabels },
): Translate {
  const counts = new Map<string, number>()
  for (const names of mails) for (const name of new Set(names.map(plain))) counts.set(name, (counts.get(name) ?? 0) + 1)
  const named = new Map(Object.entries(given).flatMap(([id, names]) => names.split('|').map(name => [plain(name), id])))
  const shown = shownIn(counts)
  const translate = translateBy([named, ENGLISH, ...shown.map(({ ids }) => ids)])
  const enough = shown.length > 0 || shows(ENGLISH, counts) || MUST_BE_NAMED.every(id => id in given)
  if (!enough) {
    const isOwn = (name: string) => translate([name])[0] === name && systemLabel(name) === undefined
    const unnamed = mails.filter(names => names.length > 0 && names.every(isOwn))
    if (unnamed.length > 0) throw new Error(`"${path}" cannot be read: ${asking(unnamed)}`)
  }
  return translate
}

// The language that explains most comes first, then any that explains the rest, because files may be
// concatenated.
function shownIn(counts: ReadonlyMap<string, number>): Language[] {
  const shown: Language[] = []
  const known = new Set(ENGLISH.keys())
  const anyName = !shows(ENGLISH, counts)
  for (;;) {
    const scored = [...LANGUAGES.values()].map(language => {
      const left = (names: Iterable<string>) =>
        sum([...names].map(name => (known.has(name) ? 0 : (counts.get(name) ?? 0))))
      const revealing = left(language.revealing)
      const all = left(language.ids.keys())
      return { language, score: revealing > 0 || (anyName && shown.length === 0) ? all : 0 }
    })
    const best = scored.reduce((a, b) => (b.score > a.score ? b : a))
    if (best.score === 0) return shown
    shown.push(best.language)
    for (const name of best.language.ids.keys()) known.add(name)
  }
}

function shows(ids: ReadonlyMap<string, string>, counts: ReadonlyMap<string, number>): boolean {
  return [...ids].some(([name, id]) => REVEALING.has(id) && counts.has(name))
}

function translateBy(tables: readonly ReadonlyMap<string, string>[]): Translate {
  const idOf = (name: string) => {
    const key = plain(name)
    return tables.find(table => table.has(key))?.get(key) ?? systemLabel(name)
  }
  return names => [...new Set(names.map(name => idOf(name) ?? name))].filter(label => !NO_LABELS.has(label))
}

// Spaces, zero-width marks and Unicode forms differ from export to export.
function plain(name: string): string {
  const lower = name.normalize('NFKC').toLowerCase().normalize('NFKC')
  return lower
    .replace(/\s|\p{Cf}|\u0640|\u0307/gu, '')
    .replace(/[’‘`´]/gu, "'")
    .replaceAll('ı', 'i')
    .replaceAll('ş', 'ș')
    .replaceAll('ţ', 'ț')
}

function asking(untold: readonly (readonly string[])[]): string {
  const counts = new Map<string, number>()
  for (const name of untold.flat()) counts.set(name, (counts.get(name) ?? 0) + 1)
  const most = [...counts].sort((a, b) => b[1] - a[1]).slice(0, SHOWN_NAMES)
  const names = most.map(([name]) => `"${name.replace(/\p{C}/gu, '?').slice(0, 60)}"`).join(', ')
  return `its labels (${names}) are in a language that is not known here, so spam, trash and drafts cannot be told from other mail. Name them, as in TAKEOUT_LABELS="SPAM=…,TRASH=…,DRAFT=…" (blank after = where there is none), or export again with Gmail set to English.`
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
