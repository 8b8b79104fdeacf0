import type { Scope } from './methods.ts'

const FULL = 'https://mail.google.com/'
const PREFIX = 'https://www.googleapis.com/auth/gmail.'
const NAMES: readonly Scope[] = ['modify', 'readonly', 'metadata', 'labels', 'insert', 'compose', 'send']

/** Returns Gmail's scopes of an OAuth scope list by short names; ignores others. */
export function scopesOf(list: string): Scope[] {
  const named = list.split(/\s+/)
  return [...(named.includes(FULL) ? (['full'] as const) : []), ...NAMES.filter(name => named.includes(PREFIX + name))]
}
