import type { MergedWindow } from '../streams.ts'

/** The fields of a window that is complete and says what this entry of `merged` says: for an entry that is written outside of a commit. */
export function mergedWindowFields({
  context,
  items,
}: Pick<MergedWindow, 'context' | 'items'>): Record<string, string> {
  return {
    of: `${items.length}`,
    done: `${items.length}`,
    context: context ? '1' : '0',
    items: JSON.stringify(items.map(({ id, thread }) => [id, thread])),
    ...Object.fromEntries(items.map(({ fate }, index) => [`${index}`, fate])),
  }
}
