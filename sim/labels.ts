/** The ids of the labels every Gmail mailbox has. */
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

// Google Takeout writes the names people see; these say what Gmail's ids do not, or nothing a label id exists for.
const OTHER_NAMES: Record<string, string> = { DRAFTS: 'DRAFT', 'SENT MAIL': 'SENT', CHATS: 'CHAT', BIN: 'TRASH' }
const NOT_LABELS = new Set(['OPENED', 'ARCHIVED'])

/** Reads `X-Gmail-Labels` values of one mailbox: system labels become Gmail's ids, "Opened" and "Archived" are dropped, others keep their name. */
export function labelReader(): (value: string) => readonly string[] {
  const names = new Map<string, string>()

  const own = (name: string) => {
    const known = names.get(name)
    if (known !== undefined) return known
    // A copy: a slice of the header would keep the whole header block in memory.
    const copy = Buffer.from(name).toString()
    names.set(copy, copy)
    return copy
  }

  return value => {
    const labels = new Set<string>()
    for (const [, quoted, plain] of value.matchAll(/"([^"]*)"|([^,"]+)/g)) {
      const name = (quoted ?? plain ?? '').trim()
      if (name !== '' && !NOT_LABELS.has(name.toUpperCase())) labels.add(systemLabel(name) ?? own(name))
    }
    return [...labels]
  }
}

/** The id of the system label with this name in any spelling (`inbox`, `Category Updates`, `drafts`), `undefined` for any other. */
export function systemLabel(name: string): string | undefined {
  const upper = name.toUpperCase()
  const id = OTHER_NAMES[upper] ?? upper.replace(/ /g, '_')
  return SYSTEM_LABELS.find(label => label === id)
}
