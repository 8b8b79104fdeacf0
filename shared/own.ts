/**
 * What a table has under a name that came from outside; `undefined` where it has nothing there itself. Every object answers to `constructor`
 * and `__proto__`, which providers and people can write as well as anybody.
 */
export function ownOf<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined
}
