import { ownOf } from '../own.ts'
import { type AadError, refusal } from './aad-error.ts'

/** Permissions of the identity platform itself, not of Graph. */
const OWN = ['openid', 'profile', 'email', 'offline_access']
const GRAPH = 'https://graph.microsoft.com/'
const COVERED_BY: Readonly<Record<string, readonly string[]>> = {
  'Mail.ReadBasic': ['Mail.Read', 'Mail.ReadWrite'],
  'Mail.Read': ['Mail.ReadWrite'],
}

/** Returns the Graph permissions in a scope list, by short names. */
export function permissionsIn(scope: string): string[] {
  const names = scope.split(/\s+/).map(name => (name.startsWith(GRAPH) ? name.slice(GRAPH.length) : name))
  return names.filter(name => name !== '' && !OWN.includes(name))
}

/** Whether a scope list names a permission of the platform, such as `offline_access`. */
export function asksFor(scope: string, own: string): boolean {
  return scope.split(/\s+/).includes(own)
}

/**
 * Returns the requested permissions, or an error if they exceed the grant; all of them for `.default`, or if
 * none is named.
 */
export function within(granted: readonly string[], scope: string): readonly string[] | AadError {
  const asked = permissionsIn(scope)
  if (asked.length === 0 || asked.includes('.default')) return granted
  const beyond = asked.find(
    name => ![name, ...(ownOf(COVERED_BY, name) ?? [])].some(enough => granted.includes(enough)),
  )
  if (beyond === undefined) return asked
  return refusal(
    65001,
    `The user or administrator has not consented to use the application for ${beyond}. Send an interactive authorization request for this user and resource.`,
  )
}

/** Returns the scope of a token answer: the requested scopes as written, with their resource. */
export function scopeAnswered(scope: string, permissions: readonly string[]): string {
  const asked = scope
    .split(/\s+/)
    .filter(name => name !== '' && name !== 'offline_access' && !name.endsWith('.default'))
  const named = asked.some(name => !OWN.includes(name)) ? asked : [...permissions, ...asked]
  return named.join(' ')
}
