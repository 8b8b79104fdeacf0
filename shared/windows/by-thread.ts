import type { ThreadId } from '../message.ts'

interface InThread {
  thread: ThreadId
}

/** Reorders items so that those of one thread are adjacent, and threads stay in the order of their first item. */
export function keepThreads<T extends InThread>(items: readonly T[]): T[] {
  const groups = new Map<ThreadId, T[]>()
  for (const item of items) {
    const group = groups.get(item.thread)
    if (group) group.push(item)
    else groups.set(item.thread, [item])
  }
  return [...groups.values()].flat()
}

/** Returns a function that counts these items by thread; 0 for an unknown thread. */
export function countThreads(items: readonly InThread[]): (thread: ThreadId) => number {
  const counts = new Map<ThreadId, number>()
  for (const { thread } of items) counts.set(thread, (counts.get(thread) ?? 0) + 1)
  return thread => counts.get(thread) ?? 0
}
