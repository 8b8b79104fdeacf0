import { createHash } from 'node:crypto'
import type { MailboxId } from '../mailbox.ts'
import type { Address, MailClass, Message } from '../message.ts'
import { cleaned, cleanLines } from '../text.ts'
import { type Filling, fillTask, roomOf, type TaskFrame } from './filling.ts'
import { languageOf } from './language.ts'
import { isDraft, ownerIn, ownerWrote } from './owner.ts'
import { keyOf } from './room.ts'
import type { Task } from './schema.ts'
import { type Size, sizeOf } from './size.ts'
import { tokensOf } from './tokens.ts'
import { threadClass } from './worth.ts'
import { leastSize } from './written.ts'

/** The options of tasks: the token budget of one task, and the prompt and model it is meant for. */
export interface TaskOptions {
  tokens: number
  /** How many tokens of the model an estimated token is; 1 by default. */
  tokenFactor?: number
  promptVersion: string
  model: string
  /** Messages have their whole texts, instead of previews. */
  texts?: boolean
  /** The owner's time zone (IANA). */
  timeZone?: string | undefined
}

// A message of a line or two, as JSON.
const SHORT_MESSAGE: Size = { tokens: 108, bytes: 312 }
const SHORTEST_MESSAGE = leastSize()
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
  /** How many older messages of the thread are not passed in, and the ids of the newest of them. */
  older?: number
  olderIds?: readonly string[]
}

/**
 * Builds the task of a thread from its newest messages that fit into the budget, and at least the newest one. Cuts and omissions are
 * marked.
 */
export function buildTask(thread: TaskThread, given: readonly Message[], options: TaskOptions): Task {
  const messages = newestFirst(given.map(cleanMessage))
  const frame = frameOf(thread, options)
  const filling = fillTask(messages, frame)
  const fresh = new Set(cleaned(thread.fresh ?? []))
  const isNew = (id: string) => thread.reason === 'new' || fresh.has(id)
  const kept = filling.messages.toReversed().map(one => ({ ...one, new: isNew(one.id) }))
  const isOwner = ownerIn(thread.mailbox, messages)
  const language = firstLanguage(messages)
  const omissions = omissionsOf(filling, thread)
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
    truncated: filling.common.isCut || Object.keys(omissions).some(name => name !== 'older'),
    ...(Object.keys(omissions).length > 0 ? { omissions } : {}),
    reason: thread.reason,
    class: classOfThread(thread.mailbox, messages, thread.ownerWrote),
    ...(options.timeZone === undefined ? {} : { timeZone: options.timeZone }),
    ...(language === undefined ? {} : { language }),
    promptVersion: options.promptVersion,
    budget: { tokens: options.tokens, used: 0, omitted: messages.length - kept.length + (thread.older ?? 0) },
  }
  const json = JSON.stringify({ ...task, budget: { ...task.budget, used: options.tokens } })
  const used = Math.ceil(tokensOf(json) * frame.tokenFactor)
  return { ...task, budget: { ...task.budget, used: Math.min(options.tokens, used) } }
}

/** Returns the class of a thread, as its task names it. */
export function classOfThread(mailbox: MailboxId, given: readonly Message[], ownerWroteBefore = false): MailClass {
  const messages = newestFirst(given)
  return threadClass(messages, ownerWroteBefore || ownerWrote(messages, ownerIn(mailbox, messages)))
}

function firstLanguage(newestFirst: readonly Message[]): string | undefined {
  for (const message of newestFirst) {
    const language = languageOf(message)
    if (language !== undefined) return language
  }
  return undefined
}

// What the task leaves out besides texts, which its messages tell.
function omissionsOf({ older, omitted, common }: Filling, thread: TaskThread): NonNullable<Task['omissions']> {
  const [participants, labels] = [common.morePeople(), common.moreLabels()]
  const deferred = (thread.omitted?.length ?? 0) - omitted.length
  return {
    ...(older.length > 0 ? { older } : {}),
    ...(participants > 0 ? { participants } : {}),
    ...(labels > 0 ? { labels } : {}),
    ...(deferred > 0 ? { omitted: deferred } : {}),
  }
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
  const { messages: kept, isFull, left } = fillTask(messages.map(cleanMessage), frameOf(thread, options))
  const sizes = [SHORT_MESSAGE, ...kept.map(sizeOf)]
  const each = {
    tokens: Math.min(...sizes.map(size => size.tokens)),
    bytes: Math.min(...sizes.map(size => size.bytes)),
  }
  return { count: kept.length, more: isFull ? 0 : Math.max(1, timesIn(left, each)) }
}

/** Returns the most messages that a task can hold, however short they are. */
export function mostMessages({ tokens, tokenFactor = 1 }: Pick<TaskOptions, 'tokens' | 'tokenFactor'>): number {
  return timesIn(roomOf({ tokens, tokenFactor }), SHORTEST_MESSAGE)
}

function timesIn(room: Size, each: Size): number {
  return Math.ceil(Math.min(room.tokens / each.tokens, room.bytes / each.bytes))
}

// A body has lines; all else is one line.
function cleanMessage({ body, ...rest }: Message): Message {
  const clean = cleaned(rest)
  return body ? { ...clean, body: { ...cleaned(body), text: cleanLines(body.text) } } : clean
}

// Messages of the same moment are ordered by id.
function newestFirst(messages: readonly Message[]): Message[] {
  return [...messages].sort((a, b) => b.date - a.date || (a.id < b.id ? 1 : -1))
}

function frameOf(
  { mailbox, thread, omitted = [], olderIds = [] }: Pick<TaskThread, 'mailbox' | 'thread' | 'omitted' | 'olderIds'>,
  { tokens, tokenFactor = 1, promptVersion, timeZone = '' }: TaskOptions,
): TaskFrame {
  return {
    mailbox,
    thread,
    omitted: cleaned(omitted),
    older: cleaned(olderIds),
    tokens,
    tokenFactor,
    promptVersion,
    timeZone,
    labelsOf: ({ labels }) => lasting(labels),
  }
}

function inOrder(oldestFirst: readonly Message[], people: ReadonlyMap<string, Address>): Address[] {
  const keys = oldestFirst.flatMap(({ from, to, cc }) => [...from, ...to, ...cc].map(keyOf))
  return [...new Set(keys)].flatMap(key => people.get(key) ?? [])
}

function lasting(labels: readonly string[]): string[] {
  return labels.filter(label => !LABELS_THAT_DO_NOT_MATTER.has(label)).sort()
}
