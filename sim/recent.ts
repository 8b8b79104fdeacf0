/** Keeps what was used last, up to a total weight: `get` answers from what is kept, else loads it, once for all who ask meanwhile. */
export function keepRecent<Value>(options: { limit: number; weigh: (value: Value) => number }) {
  const kept = new Map<string, { value: Promise<Value>; weight: number }>()
  let total = 0

  const drop = (key: string) => {
    total -= kept.get(key)?.weight ?? 0
    kept.delete(key)
  }

  const load = (key: string, loader: () => Promise<Value>) => {
    const entry = { value: loader(), weight: 0 }
    kept.set(key, entry)
    entry.value.then(
      value => {
        entry.weight = options.weigh(value)
        total += entry.weight
        // A Map keeps the order of insertion: the first is the one not used for longest.
        for (const oldest of kept.keys()) {
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
      const entry = kept.get(key)
      if (!entry) return load(key, loader)
      kept.delete(key)
      kept.set(key, entry)
      return entry.value
    },
  }
}
