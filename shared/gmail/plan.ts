import type { Wanted } from '../mailbox.ts'
import type { MessageId, ThreadId } from '../message.ts'
import { WANTED_HEADERS } from './message.ts'
import type { QuotaCosts } from './quota.ts'

/** A request for one message, or for a whole thread because of these messages of it. */
export type Request = { message: MessageId } | { thread: ThreadId; ids: readonly MessageId[] }

const WORTH_A_THREAD = 2

/**
 * How messages are asked for with the fewest units: a thread of which two or more are wanted is asked for whole, for it costs as much
 * as two messages and brings them all; every other message by itself. In the order they are wanted, each id once.
 */
export function planRequests(wanted: readonly Wanted[]): Request[] {
  const planned = new Map<string, Request>()
  const each = new Map(wanted.map(one => [one.id, one]))
  const together = new Map<ThreadId, Wanted[]>()
  for (const one of each.values()) {
    if (!one.alone) together.set(one.thread, [...(together.get(one.thread) ?? []), one])
  }
  for (const { id, thread, alone } of each.values()) {
    const group = together.get(thread) ?? []
    const size = Math.max(group.length, ...group.map(({ ofThread = 1 }) => ofThread))
    if (alone || size < WORTH_A_THREAD) planned.set(`message ${id}`, { message: id })
    else planned.set(`thread ${thread}`, { thread, ids: group.map(one => one.id) })
  }
  return [...planned.values()]
}

/** The wanted ids a request is made for. */
export function idsOf(request: Request): readonly MessageId[] {
  return 'thread' in request ? request.ids : [request.message]
}

/** What a request costs. */
export function unitsOf(request: Request, costs: QuotaCosts): number {
  return 'thread' in request ? costs.threadGet : costs.messageGet
}

/** The query of a request; `fields` is the partial answer for each message, to which `id` and `threadId` are added. */
export function queryOf(request: Request, fields: string) {
  const outermost = fields.replace(/\([^()]*\)/g, '').split(',')
  const missing = outermost.includes('*') ? [] : ['id', 'threadId'].filter(name => !outermost.includes(name))
  const message = [...missing, fields].join(',')
  return {
    format: 'metadata',
    metadataHeaders: [...WANTED_HEADERS],
    fields: 'thread' in request ? `id,messages(${message})` : message,
  }
}

/** The path and query of a request, as a part of a batch names it. */
export function pathOf(request: Request, fields: string): string {
  const { format, metadataHeaders, fields: asked } = queryOf(request, fields)
  const query = [['format', format], ...metadataHeaders.map(name => ['metadataHeaders', name]), ['fields', asked]]
  const text = query.map(([name = '', value = '']) => `${name}=${encodeURIComponent(value)}`).join('&')
  const resource =
    'thread' in request
      ? `threads/${encodeURIComponent(request.thread)}`
      : `messages/${encodeURIComponent(request.message)}`
  return `/gmail/v1/users/me/${resource}?${text}`
}
