import type { Wanted } from '../mailbox.ts'
import type { MessageId, ThreadId } from '../message.ts'
import { WANTED_HEADERS } from './message.ts'
import type { QuotaCosts } from './quota.ts'

/**
 * A request for one message, or for a whole thread with the wanted messages in it. With `headersOnly` the message is too large to be asked
 * for with its texts.
 */
export type Request = { message: MessageId; headersOnly?: true } | { thread: ThreadId; ids: readonly MessageId[] }

const WORTH_A_THREAD = 2

/**
 * Plans the requests that cost the fewest units. If two or more messages of a thread are wanted, the whole
 * thread is requested: it costs as much as two messages and returns all. Every other message is requested
 * individually. Requests keep the wanted order; each id appears once.
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

/** Returns the wanted ids of a request. */
export function idsOf(request: Request): readonly MessageId[] {
  return 'thread' in request ? request.ids : [request.message]
}

/** Returns the cost of a request in units. */
export function unitsOf(request: Request, costs: QuotaCosts): number {
  return 'thread' in request ? costs.threadGet : costs.messageGet
}

/**
 * Returns the query of a request. `fields` is the partial answer for each message; `id` and `threadId` are
 * added. With `texts`, whole messages are asked for except for their files.
 */
export function queryOf(request: Request, { fields, texts }: { fields: string; texts?: unknown }) {
  const outermost = fields.replace(/\([^()]*\)/g, '').split(',')
  const missing = outermost.includes('*') ? [] : ['id', 'threadId'].filter(name => !outermost.includes(name))
  const message = [...missing, fields].join(',')
  const isFull = texts !== undefined && !('headersOnly' in request)
  return {
    format: isFull ? 'full' : 'metadata',
    metadataHeaders: isFull ? [] : [...WANTED_HEADERS],
    fields: 'thread' in request ? `id,messages(${message})` : message,
  }
}

/** Returns the path and query of a request as a part of a batch. */
export function pathOf(request: Request, options: { fields: string; texts?: unknown }): string {
  const { format, metadataHeaders, fields: asked } = queryOf(request, options)
  const headers = metadataHeaders.map(name => ['metadataHeaders', name])
  const query = [['format', format], ...headers, ['fields', asked], ['prettyPrint', 'false']]
  const text = query.map(([name = '', value = '']) => `${name}=${encodeURIComponent(value)}`).join('&')
  const resource =
    'thread' in request
      ? `threads/${encodeURIComponent(request.thread)}`
      : `messages/${encodeURIComponent(request.message)}`
  return `/gmail/v1/users/me/${resource}?${text}`
}
