/** The ids of the labels in every Gmail mailbox. */
export const SYSTEM_LABELS = [
  'INBOX',
  'SENT',
  'DRAFT',
  'UNREAD',
  'STARRED',
  'IMPORTANT',
  'SPAM',
  'TRASH',
  'CHAT',
  'CATEGORY_PERSONAL',
  'CATEGORY_SOCIAL',
  'CATEGORY_PROMOTIONS',
  'CATEGORY_UPDATES',
  'CATEGORY_FORUMS',
] as const

// Display names in Google Takeout that differ from Gmail's ids.
const OTHER_NAMES = new Map([
  ['DRAFTS', 'DRAFT'],
  ['SENT MAIL', 'SENT'],
  ['CHATS', 'CHAT'],
  ['BIN', 'TRASH'],
])

/**
 * Returns the id of the system label with this name in any spelling (`inbox`, `Category Updates`, `drafts`);
 * `undefined` for any other.
 */
export function systemLabel(name: string): string | undefined {
  const upper = name.toUpperCase()
  const id = OTHER_NAMES.get(upper) ?? upper.replace(/ /g, '_')
  return SYSTEM_LABELS.find(label => label === id)
}

/**
 * Splits a decoded `X-Gmail-Labels` value of comma-separated values. A name that begins with a quote ends
 * with one; a doubled quote inside is one. A quote elsewhere, or one that never closes, is part of the name.
 */
export function splitLabels(value: string): string[] {
  const names: string[] = []
  let at = 0
  while (at < value.length) {
    const quoted = quotedFrom(value, at)
    const comma = value.indexOf(',', at)
    const end = comma < 0 ? value.length : comma
    names.push(quoted?.name ?? value.slice(at, end))
    at = (quoted?.end ?? end) + 1
  }
  return names.map(name => name.replace(/\s+/gu, ' ').trim()).filter(name => name !== '')
}

function quotedFrom(value: string, at: number): { name: string; end: number } | undefined {
  const start = pastBlanks(value, at)
  if (value[start] !== '"') return undefined
  let quote = value.indexOf('"', start + 1)
  while (quote >= 0 && value[quote + 1] === '"') quote = value.indexOf('"', quote + 2)
  if (quote < 0) return undefined
  const end = pastBlanks(value, quote + 1)
  const isWhole = end === value.length || value[end] === ','
  return isWhole ? { name: value.slice(start + 1, quote).replaceAll('""', '"'), end } : undefined
}

function pastBlanks(value: string, at: number): number {
  let end = at
  while (value[end] === ' ' || value[end] === '\t') end += 1
  return end
}
