import type { MailFacts } from './facts.ts'

/** Groups mails into threads as they are added, in delivery order. */
export interface Threads {
  /**
   * Adds the next mail. With `merging`, a mail that refers to several threads merges them. Without it, the
   * mail joins the thread it answers most directly, so that no known mail changes its thread. `joined` is the
   * position of a mail whose thread it joins in any case.
   */
  add(mail: MailFacts, options: { merging: boolean; joined?: number | undefined }): void
  /** Returns the position of the first mail in this mail's thread. */
  firstOf(index: number): number
}

/**
 * Starts grouping by the explicit thread if a mail names one, else by shared message ids (its own, and those
 * it refers to).
 */
export function groupThreads(): Threads {
  // Union-find: each mail points to an earlier one of its thread, the first to itself.
  const earlier: number[] = []
  const mailWith = new Map<string, number>()

  const firstOf = (index: number): number => {
    let first = index
    for (let next = earlier[first]; next !== undefined && next !== first; next = earlier[first]) first = next
    for (let at = index; at !== first; ) {
      const next = earlier[at] ?? first
      earlier[at] = first
      at = next
    }
    return first
  }

  return {
    firstOf,
    add(mail, { merging, joined }) {
      const index = earlier.push(earlier.length) - 1
      if (joined !== undefined) earlier[index] = firstOf(joined)
      const own = mail.messageId === undefined ? [] : [mail.messageId]
      for (const key of mail.thread === undefined ? [...mail.references, ...own] : [mail.thread]) {
        const other = mailWith.get(key)
        if (other === undefined) {
          mailWith.set(key, index)
        } else if (merging || firstOf(index) === index) {
          const [a, b] = [firstOf(index), firstOf(other)]
          earlier[Math.max(a, b)] = Math.min(a, b)
        }
      }
      // For replies without an explicit thread.
      for (const key of own) if (!mailWith.has(key)) mailWith.set(key, index)
    },
  }
}
