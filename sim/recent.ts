/**
 * Caches the most recently used values up to a total weight. `get` answers from the cache, else loads the
 * value, once for all concurrent callers.
 */
export function keepRecent<Value>(options: { limit: number; weigh: (value: Value) => number }) {
  const cached = new Map<string, { value: Promise<Value>; weight: number }>()
  let total = 0

  const drop = (key: string) => {
    total -= cached.get(key)?.weight ?? 0
    cached.delete(key)
  }

  const load = (key: string, loader: () => Promise<Value>) => {
    const entry = { value: loader(), weight: 0 }
    cached.set(key, entry)
    entry.value.then(
      value => {
        entry.weight = options.weigh(value)
        total += entry.weight
        // A Map keeps insertion order: the first is the least recently used.
        for (const oldest of cached.keys()) {
          if (total <= options.limit) break
          drop(oldest)
        }
      },
      () => drop(key),
    )
    return entry.value
  }

  return {
    get(key: string, loader: () => Promise<Value>): Promise<Value> {
      const entry = cached.get(key)
      if (!entry) return load(key, loader)
      cached.delete(key)
      cached.set(key, entry)
      return entry.value
    },
  }
}
