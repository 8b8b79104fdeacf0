import type { MergedWindow } from '../streams.ts'
import { WINDOW } from './schema.ts'

/** Returns the fields of a complete window that matches an entry of `merged`, for entries written outside a commit. */
export function mergedWindowFields({
  context,
  items,
}: Pick<MergedWindow, 'context' | 'items'>): Record<string, string> {
  return {
    [WINDOW.of]: `${items.length}`,
    [WINDOW.done]: `${items.length}`,
    [WINDOW.context]: context ? '1' : '0',
    [WINDOW.items]: JSON.stringify(items.map(({ id, thread }) => [id, thread])),
    ...Object.fromEntries(items.map(({ fate }, index) => [`${index}`, fate])),
  }
}
