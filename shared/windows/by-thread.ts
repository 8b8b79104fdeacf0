import type { ThreadId } from '../message.ts'

interface InThread {
  thread: ThreadId
}

/** The same items with those of one thread beside each other, and otherwise in the order in which they were first met. */
export function keepThreads<T extends InThread>(items: readonly T[]): T[] {
  const groups = new Map<ThreadId, T[]>()
  for (const item of items) {
    const group = groups.get(item.thread)
    if (group) group.push(item)
    else groups.set(item.thread, [item])
  }
  return [...groups.values()].flat()
}

/** How many of these items are of each thread; 0 for a thread that none is of. */
export function countThreads(items: readonly InThread[]): (thread: ThreadId) => number {
  const counts = new Map<ThreadId, number>()
  for (const { thread } of items) counts.set(thread, (counts.get(thread) ?? 0) + 1)
  return thread => counts.get(thread) ?? 0
}
