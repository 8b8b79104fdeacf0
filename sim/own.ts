/**
 * Returns a table's own value under a name from outside; `undefined` if it has none. Every object answers to
 * `constructor` and `__proto__`, which providers and people can send too.
 */
export function ownOf<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined
}
