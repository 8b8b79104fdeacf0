import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { MailboxId } from './mailbox.ts'
import type { Address, Message } from './message.ts'

/** Why a thread goes out: it was never dispatched, it has new mail, or mail of it was deleted or relabelled. */
export const REASONS = ['new', 'grown', 'changed'] as const

const addressSchema = z.object({ name: z.string(), address: z.string() })

/** A conversation worth analysing, with all that is needed to do so; `task` is its idempotency key, `messages` are oldest first. */
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
      truncated: z.boolean(),
    }),
  ),
  /** Ids of messages of the thread that cannot be read for now. Once one can be, or is given up, the thread comes again without it here. */
  omitted: z.array(z.string()).default([]),
  labels: z.array(z.string()),
  reason: z.enum(REASONS),
  promptVersion: z.string(),
  budget: z.object({ tokens: z.number(), used: z.number(), omitted: z.number() }),
})
export type Task = z.infer<typeof taskSchema>

/** How tasks are built: the token budget of one task, and the prompt and model they are meant for. */
export interface TaskOptions {
  tokens: number
  promptVersion: string
  model: string
}

// Reading or starring a mail changes nothing about what is said in it.
const LABELS_THAT_DO_NOT_MATTER = new Set(['UNREAD', 'STARRED'])
const CHARACTERS_A_TOKEN = 4

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

/** Builds the task of a thread from its messages, keeping the newest within the token budget; always at least one message. */
export function buildTask(
  thread: { mailbox: MailboxId; thread: string; version: string; reason: Task['reason']; omitted?: readonly string[] },
  messages: readonly Message[],
  options: TaskOptions,
): Task {
  const oldestFirst = [...messages].sort((a, b) => a.date - b.date || (a.id < b.id ? -1 : 1))
  const { kept, used } = withinBudget(oldestFirst, options.tokens)
  return {
    task: `${thread.mailbox}/${thread.thread}/${thread.version}`,
    mailbox: thread.mailbox,
    thread: thread.thread,
    version: thread.version,
    subject: oldestFirst.find(message => message.subject !== '')?.subject ?? '',
    participants: participantsOf(oldestFirst),
    messages: kept,
    omitted: [...(thread.omitted ?? [])],
    labels: [...new Set(oldestFirst.flatMap(message => lasting(message.labels)))].sort(),
    reason: thread.reason,
    promptVersion: options.promptVersion,
    budget: { tokens: options.tokens, used, omitted: oldestFirst.length - kept.length },
  }
}

function withinBudget(oldestFirst: readonly Message[], tokens: number) {
  const kept: Task['messages'] = []
  let left = tokens
  for (const message of oldestFirst.toReversed()) {
    const cost = tokensOf(message.subject) + tokensOf(message.snippet)
    if (cost > left && kept.length > 0) break
    const text = cost > left ? message.snippet.slice(0, Math.max(0, left * CHARACTERS_A_TOKEN)) : message.snippet
    kept.unshift({
      id: message.id,
      from: message.from,
      to: message.to,
      cc: message.cc,
      date: new Date(message.date).toISOString(),
      subject: message.subject,
      text,
      truncated: text.length < message.snippet.length,
    })
    left -= Math.min(cost, left)
  }
  return { kept, used: tokens - left }
}

function participantsOf(messages: readonly Message[]): Address[] {
  const known = new Map<string, Address>()
  for (const person of messages.flatMap(message => [...message.from, ...message.to, ...message.cc])) {
    const key = person.address.toLowerCase() || person.name
    if (!known.get(key)?.name) known.set(key, person)
  }
  return [...known.values()]
}

function lasting(labels: readonly string[]): string[] {
  return labels.filter(label => !LABELS_THAT_DO_NOT_MATTER.has(label)).sort()
}

function tokensOf(text: string): number {
  return Math.ceil(text.length / CHARACTERS_A_TOKEN)
}
