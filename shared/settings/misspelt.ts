// Shorter names resemble too many others.
const SHORTEST = 8
const OURS = ['GMAIL_', 'OUTLOOK_', 'MAILSLUICE_']

/** A variable that is no setting, and the setting that it probably means. */
export interface Misspelt {
  name: string
  meant?: string
}

/**
 * Returns the variables that look like misspelt settings or have one of our prefixes. Case, underscores and dashes are ignored. One extra,
 * missing or different letter is tolerated, and two in names of twelve letters or more.
 */
export function misspeltIn(names: readonly string[], settings: readonly string[]): Misspelt[] {
  const known = new Set(settings)
  return names.flatMap((name): Misspelt[] => {
    if (known.has(name) || !/^[\w.-]{1,60}$/.test(name)) return []
    const meant = settings.find(setting => plain(setting) === plain(name)) ?? nearest(name, settings)
    if (meant !== undefined) return [{ name, meant }]
    return OURS.some(head => name.startsWith(head)) ? [{ name }] : []
  })
}

function nearest(name: string, settings: readonly string[]): string | undefined {
  const away = (setting: string) => distance(plain(setting), plain(name))
  const mostAway = (setting: string) => (setting.length < SHORTEST ? 0 : setting.length < 12 ? 1 : 2)
  return settings
    .filter(setting => Math.abs(setting.length - name.length) <= 4 && away(setting) <= mostAway(setting))
    .sort((a, b) => away(a) - away(b))[0]
}

function plain(name: string): string {
  return name.replaceAll(/[_-]/g, '').toUpperCase()
}

// The number of insertions, deletions, changes and swaps of neighbours that turn one text into the other (optimal string alignment).
function distance(a: string, b: string): number {
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, place) => place)
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const changed = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const isSwap = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const swapped = i > 1 && j > 1 && isSwap ? (before[j - 2] ?? 0) + 1 : changed
      row.push(Math.min(changed, swapped, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1))
    }
    before = last
    last = row
  }
  return last[b.length] ?? 0
}
