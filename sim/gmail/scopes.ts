import type { Scope } from './methods.ts'

const FULL = 'https://mail.google.com/'
const PREFIX = 'https://www.googleapis.com/auth/gmail.'
const NAMES: readonly Scope[] = ['modify', 'readonly', 'metadata', 'labels', 'insert', 'compose', 'send']

/** Gmail's scopes in a list as OAuth writes it, by their short names; others are passed over. */
export function scopesOf(list: string): Scope[] {
  const named = list.split(/\s+/)
  return [...(named.includes(FULL) ? (['full'] as const) : []), ...NAMES.filter(name => named.includes(PREFIX + name))]
}
