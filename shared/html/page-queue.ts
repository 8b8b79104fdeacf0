import type { HtmlText } from '../body/html-text.ts'

/** A page to convert, and its reader. */
export interface PageTask {
  page: string
  resolve: (text: HtmlText) => void
  reject: (error: Error) => void
}

/** Pages in the order of their requests. The first ones are sent, the others wait. */
export interface PageQueue {
  /** Whether sent pages have no answer yet. */
  isBusy(): boolean
  add(task: PageTask): void
  /** Returns the pages to send now; none where enough are sent. */
  take(): string[]
  /** Answers the oldest of the sent pages. */
  answer(text: HtmlText): void
  /** Makes all sent pages wait again. */
  takeBack(): void
  /** Rejects every page. */
  rejectAll(error: Error): void
}

/** Creates an empty queue that sends one page, or more while they have at most `most` characters together. */
export function createPageQueue(most: number): PageQueue {
  let sent: PageTask[] = []
  let waiting: PageTask[] = []
  let size = 0

  return {
    isBusy: () => sent.length > 0,
    add: task => void waiting.push(task),
    take() {
      const from = sent.length
      for (const task of waiting) {
        if (sent.length > 0 && size + task.page.length > most) break
        sent.push(task)
        size += task.page.length
      }
      const taken = sent.slice(from)
      waiting = waiting.slice(taken.length)
      return taken.map(({ page }) => page)
    },
    answer(text) {
      const task = sent.shift()
      size -= task?.page.length ?? 0
      task?.resolve(text)
    },
    takeBack() {
      waiting = [...sent, ...waiting]
      sent = []
      size = 0
    },
    rejectAll(error) {
      for (const { reject } of [...sent, ...waiting]) reject(error)
      sent = []
      waiting = []
      size = 0
    },
  }
}
