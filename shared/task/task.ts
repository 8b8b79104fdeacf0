import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { MailboxId } from '../mailbox.ts'
import { type Address, type Message, UNREADABLE } from '../message.ts'
import { cleaned } from '../text.ts'
import { keyOf } from './company.ts'
import { fillTask, mostCharacters, type TaskFrame, tokensIn } from './filling.ts'

/** Why a thread goes out: it was never dispatched, it has new mail, or mail of it was deleted or relabelled. */
export const REASONS = ['new', 'grown', 'changed'] as const

const addressSchema = z.object({ name: z.string(), address: z.string() })

/**
 * A conversation worth analysing, with all that is needed to do so; `task` is its idempotency key, `messages` are oldest first. As JSON it
 * stays within its budget (`task-filling.ts`), and its texts hold no control characters and no half characters.
 */
export const taskSchema = z.object({
  task: z.string(),
  mailbox: z.string(),
  thread: z.string(),
  version: z.string(),
  subject: z.string(),
  participants: z.array(addressSchema),
  messages: z.array(
    z.object({
      id: z.string(),
      from: z.array(addressSchema),
      to: z.array(addressSchema),
      cc: z.array(addressSchema),
      date: z.string(),
      subject: z.string(),
      text: z.string(),
      /** The mail says more than `text` and `subject`, or went to more people. */
      truncated: z.boolean(),
      /** What the mail says so that it cannot be read, or not all of it; what cannot be read at all is empty. */
      unreadable: z.array(z.enum(UNREADABLE)).optional(),
    }),
  ),
  /** Ids of messages of the thread that cannot be read for now. Once one can be, or is given up, the thread comes again without it here. */
  omitted: z.array(z.string()).default([]),
  labels: z.array(z.string()),
  /** Not all participants, labels or omitted ids are named, or a subject is cut. */
  truncated: z.boolean().default(false),
  reason: z.enum(REASONS),
  promptVersion: z.string(),
  /** `used` is how many tokens the whole task takes, `omitted` how many older messages were left out for want of them. */
  budget: z.object({ tokens: z.number(), used: z.number(), omitted: z.number() }),
})
export type Task = z.infer<typeof taskSchema>

/** How tasks are built: the token budget of one task, and the prompt and model they are meant for. */
export interface TaskOptions {
  tokens: number
  promptVersion: string
  model: string
}

// As JSON, in characters: of one that says a line or two, and of one that says nothing.
const SHORT_MESSAGE = 300
const SHORTEST_MESSAGE = 120
// Reading or starring a mail changes nothing about what is said in it.
const LABELS_THAT_DO_NOT_MATTER = new Set(['UNREAD', 'STARRED'])

/**
 * The version of a thread: the same for the same messages, labels that matter, prompt and model, and the same `omitted` messages, which are
 * to be in order; whatever the order of the rest.
 */
export function threadVersion(
  messages: readonly Message[],
  options: TaskOptions,
  omitted: readonly string[] = [],
): string {
  const parts = messages.map(message => `${message.id}:${lasting(message.labels).join(',')}`).sort()
  const without = omitted.length > 0 ? [omitted] : []
  const hash = createHash('sha256').update(JSON.stringify([parts, options.promptVersion, options.model, ...without]))
  return hash.digest('hex').slice(0, 32)
}

/** Whether a thread is another version when these labels come or go. */
export function labelsMatter(labels: readonly string[]): boolean {
  return lasting(labels).length > 0
}

/** What a task is of. */
export interface TaskThread {
  mailbox: MailboxId
  thread: string
  version: string
  reason: Task['reason']
  omitted?: readonly string[]
  /** How many older messages the thread has that are not given. */
  older?: number
}

/**
 * Builds the task of a thread from its messages: the newest that fit into the budget, and at least the newest. What is cut or left out is
 * marked.
 */
export function buildTask(thread: TaskThread, given: readonly Message[], options: TaskOptions): Task {
  const messages = cleaned(given)
  const frame = frameOf(thread, options)
  const filling = fillTask(newestFirst(messages), frame)
  const kept = filling.messages.toReversed()
  const task = {
    task: `${thread.mailbox}/${thread.thread}/${thread.version}`,
    mailbox: thread.mailbox,
    thread: thread.thread,
    version: thread.version,
    subject: kept.find(({ subject }) => subject !== '')?.subject ?? '',
    participants: inOrder(newestFirst(messages).toReversed(), filling.company.people),
    messages: kept,
    omitted: filling.omitted,
    labels: [...filling.company.labels].sort(),
    truncated: filling.company.isCut,
    reason: thread.reason,
    promptVersion: options.promptVersion,
    budget: { tokens: options.tokens, used: 0, omitted: messages.length - kept.length + (thread.older ?? 0) },
  }
  const { length } = JSON.stringify({ ...task, budget: { ...task.budget, used: options.tokens } })
  return { ...task, budget: { ...task.budget, used: Math.min(options.tokens, tokensIn(length)) } }
}

/**
 * How many of a thread's messages, newest first, its task holds, and how many more it might hold: 0 where the next does not fit, else as many
 * as if they were like these, and short.
 */
export function heldBy(
  thread: Pick<TaskThread, 'mailbox' | 'thread' | 'omitted'>,
  messages: readonly Message[],
  options: TaskOptions,
): { count: number; more: number } {
  const { messages: kept, isFull, left } = fillTask(cleaned(messages), frameOf(thread, options))
  const each = Math.min(SHORT_MESSAGE, ...kept.map(message => JSON.stringify(message).length))
  return { count: kept.length, more: isFull ? 0 : Math.max(1, Math.ceil(left / each)) }
}

/** The most messages that a task can hold, however short they are. */
export function mostMessages({ tokens }: Pick<TaskOptions, 'tokens'>): number {
  return Math.ceil(mostCharacters(tokens) / SHORTEST_MESSAGE)
}

// Of one moment in the order of their ids.
function newestFirst(messages: readonly Message[]): Message[] {
  return [...messages].sort((a, b) => b.date - a.date || (a.id < b.id ? 1 : -1))
}

function frameOf(
  { mailbox, thread, omitted = [] }: Pick<TaskThread, 'mailbox' | 'thread' | 'omitted'>,
  { tokens, promptVersion }: TaskOptions,
): TaskFrame {
  return { mailbox, thread, omitted, tokens, promptVersion, labelsOf: ({ labels }) => lasting(labels) }
}

function inOrder(oldestFirst: readonly Message[], people: ReadonlyMap<string, Address>): Address[] {
  const keys = oldestFirst.flatMap(({ from, to, cc }) => [...from, ...to, ...cc].map(keyOf))
  return [...new Set(keys)].flatMap(key => people.get(key) ?? [])
}

function lasting(labels: readonly string[]): string[] {
  return labels.filter(label => !LABELS_THAT_DO_NOT_MATTER.has(label)).sort()
}
