import { classOf } from '../mail/mail-class.ts'
import type { MailClass, Message, MessageId } from '../message.ts'
import { isDraft } from './owner.ts'

/**
 * Why a thread version becomes no task: it holds only drafts; only automatic replies are new; its newest mail is older than `AI_SINCE`; its
 * run has as many tasks as `AI_MAX_PER_RUN` allows.
 */
export const WITHHELD = ['drafts', 'autoReplies', 'tooOld', 'overLimit'] as const
export type Withheld = (typeof WITHHELD)[number]

/** When a thread is dispatched. Without a field, nothing is withheld or delayed for it. */
export interface DispatchRules {
  /** A thread whose newest mail was received before this time (ms since 1970) becomes no task. */
  since?: number
  /** A live thread waits so long for more of its mail. */
  debounceMs?: number
  /** A sink sends the tasks: each is built when it is sent, and only its ids travel until then. */
  sends?: true
}

// A thread that keeps changing waits at most so many times the debounce.
const LONGEST_WAIT = 5

/** Returns why a thread with these messages, some of them `fresh`, becomes no task; `undefined` where it does. */
export function withheldBy(
  messages: readonly Message[],
  fresh: readonly MessageId[],
  { since }: DispatchRules,
): Withheld | undefined {
  const sent = messages.filter(message => !isDraft(message))
  if (sent.length === 0) return 'drafts'
  const causes = sent.filter(({ id }) => fresh.includes(id))
  if ((causes.length > 0 ? causes : sent).every(({ isAutoReply }) => isAutoReply)) return 'autoReplies'
  return since !== undefined && sent.every(({ date }) => date < since) ? 'tooOld' : undefined
}

/**
 * Returns when a version may be dispatched (ms since 1970), given when it was emitted and since when its thread waits. Each newer version
 * starts the debounce again, up to five times its length after the first.
 */
export function dispatchTime(emittedAt: number, waitsSince: number | undefined, { debounceMs = 0 }: DispatchRules) {
  const latest = (waitsSince ?? emittedAt) + LONGEST_WAIT * debounceMs
  return Math.min(emittedAt + debounceMs, latest)
}

/**
 * Returns the class of a thread: personal where the owner wrote in it or one of its mails is personal, else that of its newest mail. The
 * messages are newest first.
 */
export function threadClass(newestFirst: readonly Message[], ownerWrote: boolean): MailClass {
  if (ownerWrote) return { kind: 'personal', cause: 'the owner wrote in the thread' }
  const classes = newestFirst.map(classOf)
  const personal = classes.find(({ kind }) => kind === 'personal')
  return personal ?? classes[0] ?? classOf({ labels: [] })
}
