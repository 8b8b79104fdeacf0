/**
 * Looks up a name from outside among a table's own entries; returns `undefined` where there is none. Every object inherits `constructor`
 * and `__proto__`, which providers and people can write too.
 */
export function ownOf<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined
}
