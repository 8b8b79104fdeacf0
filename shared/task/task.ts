import { createHash } from 'node:crypto'
import type { MailboxId } from '../mailbox.ts'
import type { Address, Message } from '../message.ts'
import { cleaned } from '../text.ts'
import { fillTask, mostCharacters, type TaskFrame, tokensIn } from './filling.ts'
import { isDraft, ownerIn, ownerWrote } from './owner.ts'
import { keyOf } from './room.ts'
import type { Task } from './schema.ts'
import { threadClass } from './worth.ts'

/** The options of tasks: the token budget of one task, and the prompt and model it is meant for. */
export interface TaskOptions {
  tokens: number
  promptVersion: string
  model: string
  /** Messages have their whole texts, instead of previews. */
  texts?: boolean
  /** The owner's time zone (IANA). */
  timeZone?: string | undefined
  /** Returns the language of a text (ISO 639), where it is certain enough. */
  languageOf?: ((text: string) => string | undefined) | undefined
}

// JSON lengths in characters: a message of a line or two, and an empty message.
const SHORT_MESSAGE = 300
const SHORTEST_MESSAGE = 120
const MOST_FOR_LANGUAGE = 2000
// Reading or starring a mail does not change its content.
const LABELS_THAT_DO_NOT_MATTER = new Set(['UNREAD', 'STARRED'])

/**
 * Returns the version of a thread. It depends only on the messages without drafts, their relevant labels, the prompt, the model, whether whole
 * texts are read, and the `omitted` messages, which must be sorted; other order does not matter.
 */
export function threadVersion(
  messages: readonly Message[],
  options: TaskOptions,
  omitted: readonly string[] = [],
): string {
  const sent = messages.filter(message => !isDraft(message))
  const parts = sent.map(message => `${message.id}:${lasting(message.labels).join(',')}`).sort()
  const without = omitted.length > 0 ? [omitted] : []
  // Earlier versions, of tasks with previews, stay valid.
  const withTexts = options.texts ? [{ body: 'text' }] : []
  const { promptVersion, model } = options
  const hash = createHash('sha256').update(JSON.stringify([parts, promptVersion, model, ...without, ...withTexts]))
  return hash.digest('hex').slice(0, 32)
}

/** Returns whether adding or removing these labels makes another version of a thread. */
export function labelsMatter(labels: readonly string[]): boolean {
  return lasting(labels).length > 0
}

/** The thread of a task. */
export interface TaskThread {
  mailbox: MailboxId
  thread: string
  version: string
  reason: Task['reason']
  omitted?: readonly string[]
  /** The ids that no earlier task knew of; of a new thread, all are. */
  fresh?: readonly string[]
  /** The owner wrote in the thread, perhaps in a message that is not passed in. */
  ownerWrote?: boolean
  /** How many older messages of the thread are not passed in. */
  older?: number
}

/**
 * Builds the task of a thread from its newest messages that fit into the budget, and at least the newest one. Cuts and omissions are
 * marked.
 */
export function buildTask(thread: TaskThread, given: readonly Message[], options: TaskOptions): Task {
  const messages = newestFirst(cleaned(given))
  const frame = frameOf(thread, options)
  const filling = fillTask(messages, frame)
  const fresh = new Set(cleaned(thread.fresh ?? []))
  const isNew = (id: string) => thread.reason === 'new' || fresh.has(id)
  const kept = filling.messages.toReversed().map(one => ({ ...one, new: isNew(one.id) }))
  const isOwner = ownerIn(thread.mailbox, messages)
  const language = languageIn(messages, options)
  const task = {
    task: `${thread.mailbox}/${thread.thread}/${thread.version}`,
    mailbox: thread.mailbox,
    thread: thread.thread,
    version: thread.version,
    subject: kept.find(({ subject }) => subject !== '')?.subject ?? '',
    participants: inOrder(messages.toReversed(), filling.common.people).map(person => ({
      ...person,
      role: isOwner(person) ? ('owner' as const) : ('other' as const),
    })),
    messages: kept,
    omitted: filling.omitted,
    labels: [...filling.common.labels].sort(),
    truncated: filling.common.isCut,
    reason: thread.reason,
    class: threadClass(messages, thread.ownerWrote === true || ownerWrote(messages, isOwner)),
    ...(options.timeZone === undefined ? {} : { timeZone: options.timeZone }),
    ...(language === undefined ? {} : { language }),
    promptVersion: options.promptVersion,
    budget: { tokens: options.tokens, used: 0, omitted: messages.length - kept.length + (thread.older ?? 0) },
  }
  const { length } = JSON.stringify({ ...task, budget: { ...task.budget, used: options.tokens } })
  return { ...task, budget: { ...task.budget, used: Math.min(options.tokens, tokensIn(length)) } }
}

/**
 * Returns how many of a thread's messages, newest first, its task holds, and how many more it might hold. `more` is 0 where the next
 * message does not fit; otherwise it assumes short messages like these.
 */
export function messagesThatFit(
  thread: Pick<TaskThread, 'mailbox' | 'thread' | 'omitted'>,
  messages: readonly Message[],
  options: TaskOptions,
): { count: number; more: number } {
  const { messages: kept, isFull, left } = fillTask(cleaned(messages), frameOf(thread, options))
  const each = Math.min(SHORT_MESSAGE, ...kept.map(message => JSON.stringify(message).length))
  return { count: kept.length, more: isFull ? 0 : Math.max(1, Math.ceil(left / each)) }
}

/** Returns the most messages that a task can hold, however short they are. */
export function mostMessages({ tokens }: Pick<TaskOptions, 'tokens'>): number {
  return Math.ceil(mostCharacters(tokens) / SHORTEST_MESSAGE)
}

// A language is said of the newest message that shows one; the sender's word counts where the text is too short.
function languageIn(newestFirst: readonly Message[], { languageOf }: TaskOptions): string | undefined {
  for (const { body, snippet, contentLanguage } of newestFirst) {
    const language = languageOf?.((body?.text ?? snippet).slice(0, MOST_FOR_LANGUAGE)) ?? contentLanguage
    if (language !== undefined) return language
  }
  return undefined
}

// Messages of the same moment are ordered by id.
function newestFirst(messages: readonly Message[]): Message[] {
  return [...messages].sort((a, b) => b.date - a.date || (a.id < b.id ? 1 : -1))
}

function frameOf(
  { mailbox, thread, omitted = [] }: Pick<TaskThread, 'mailbox' | 'thread' | 'omitted'>,
  { tokens, promptVersion, timeZone = '' }: TaskOptions,
): TaskFrame {
  return { mailbox, thread, omitted, tokens, promptVersion, timeZone, labelsOf: ({ labels }) => lasting(labels) }
}

function inOrder(oldestFirst: readonly Message[], people: ReadonlyMap<string, Address>): Address[] {
  const keys = oldestFirst.flatMap(({ from, to, cc }) => [...from, ...to, ...cc].map(keyOf))
  return [...new Set(keys)].flatMap(key => people.get(key) ?? [])
}

function lasting(labels: readonly string[]): string[] {
  return labels.filter(label => !LABELS_THAT_DO_NOT_MATTER.has(label)).sort()
}
