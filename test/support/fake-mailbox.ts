import { MailError } from '../../shared/error.ts'
import { planRequests } from '../../shared/gmail/plan.ts'
import type {
  Call,
  CallKind,
  Changes,
  Cursor,
  Fetched,
  Gone,
  LabelChange,
  Mailbox,
  Page,
  Wanted,
} from '../../shared/mailbox.ts'
import type { Message, MessageId } from '../../shared/message.ts'

type Kind = 'open' | 'probe' | 'changes' | 'fetch' | 'watch' | 'stop'

const WATCH_MS = 7 * 24 * 3_600_000

/** A mailbox in memory that implements the port: a first listing in pages, then the later deliveries. */
export interface FakeMailbox extends Mailbox {
  deliver(count: number, threads?: number): MessageId[]
  remove(id: MessageId): void
  /** Changes what a message holds, before it is listed. */
  write(id: MessageId, changes: Partial<Message>): void
  /** Adds labels to a message and removes others. */
  relabel(id: MessageId, added: readonly string[], removed?: readonly string[]): void
  /** Fetches the rest of a thread where several of its messages are wanted. */
  wholeThreads: boolean
  calls: string[]
  /** Called before each provider call; the call throws its errors. */
  before: (kind: Kind, wanted: readonly Wanted[]) => void | Promise<void>
}

/** An empty mailbox whose first listing comes in pages of `pageSize`; its messages' ids begin with `prefix`. */
export function fakeMailbox(pageSize = 500, now: () => number = Date.now, prefix = 'm'): FakeMailbox {
  const messages: Message[] = []
  const removed = new Set<MessageId>()
  const log: (Gone | LabelChange)[] = []
  const fake: FakeMailbox = {
    calls: [],
    wholeThreads: false,
    before: () => undefined,

    deliver(count, threads = count) {
      const ids: MessageId[] = []
      for (let n = 0; n < count; n += 1) {
        const id = `${prefix}${messages.length}`
        messages.push(message(id, `t${messages.length % threads}`, messages.length))
        ids.push(id)
      }
      return ids
    },

    write(id, changes) {
      const held = messages.find(one => one.id === id)
      if (held) Object.assign(held, changes)
    },

    remove(id) {
      removed.add(id)
      log.push({ id, thread: threadOf(id) })
    },

    relabel(id, added, removed = []) {
      const held = messages.find(one => one.id === id)
      if (held) held.labels = [...held.labels.filter(label => !removed.includes(label)), ...added]
      log.push({ id, thread: threadOf(id), added, removed })
    },

    async open(call, knownUntil) {
      await begin('open', [], call, 'profile')
      const kind = knownUntil === undefined ? 'pinned' : 'pinned-again'
      return { address: 'ana@example.com', cursor: `${kind}:${messages.length}:${log.length}` }
    },

    async changes(since: Cursor, page: Page | undefined, call): Promise<Changes> {
      const first = since.startsWith('pinned')
      await begin('changes', [], call, first ? 'list' : 'history')
      const [, listed = '0', seen = '0'] = since.split(':')
      const from = Number(page ?? (first ? 0 : listed))
      const end = Math.min(messages.length, from + pageSize)
      const reported = messages.slice(from, end).filter(({ id }) => first || !removed.has(id))
      const ids = reported.map(({ id, thread }) => ({ id, thread }))
      const events = first || end < messages.length ? [] : log.slice(Number(seen))
      const labels = events.filter(event => 'added' in event && !removed.has(event.id)) as LabelChange[]
      const gone = events.filter(event => !('added' in event))
      const there = { overlaps: true, present: ids.filter(({ id }) => !removed.has(id)) }
      const last =
        end === messages.length
          ? { cursor: `history:${end}:${first ? seen : log.length}`, ...(first ? {} : { upTo: `${end}` }) }
          : { next: `${end}` }
      if (since.startsWith('pinned-again')) return { gone, labels, ...last, ...there, ids: there.present }
      return { ids, gone, labels, ...last }
    },

    async fetch(wanted, call) {
      await begin('fetch', wanted, call, wanted.length === 1 ? 'single' : 'batch')
      const requests = fake.wholeThreads ? planRequests(wanted) : []
      const threads = requests.flatMap(request => ('thread' in request ? [request.thread] : []))
      const along = messages.filter(one => threads.includes(one.thread) && !removed.has(one.id))
      const ids = new Set([...along.map(({ id }) => id), ...wanted.map(({ id }) => id)])
      return new Map([...ids].map((id): [MessageId, Fetched] => [id, found(id)]))
    },

    async probe(call) {
      await begin('probe', [], call, 'profile')
    },

    async watch(call) {
      await begin('watch', [], call, 'watch')
      return { expiresAt: now() + WATCH_MS }
    },

    async stop(call) {
      await begin('stop', [], call, 'watch')
    },
  }
  return fake

  async function begin(kind: Kind, wanted: readonly Wanted[], call: Call, counted: CallKind) {
    if (call.signal.aborted) throw new MailError('unavailable', 'stopped')
    fake.calls.push(kind === 'fetch' ? `fetch ${wanted.length}` : kind)
    call.meter(counted, Math.max(1, wanted.length))
    await fake.before(kind, wanted)
    if (call.signal.aborted) throw new MailError('unavailable', 'stopped')
  }

  function found(id: MessageId): Fetched {
    const held = messages.find(one => one.id === id)
    return held && !removed.has(id) ? { outcome: 'ok', message: { ...held } } : { outcome: 'gone' }
  }

  function threadOf(id: MessageId): string {
    return messages.find(one => one.id === id)?.thread ?? id
  }
}

function message(id: string, thread: string, index: number): Message {
  const person = { name: 'Ana', address: 'ana@example.com' }
  return {
    id,
    thread,
    labels: ['INBOX'],
    date: 1_790_000_000_000 + index * 60_000,
    subject: `About ${thread}`,
    from: [person],
    to: [person],
    cc: [],
    snippet: `This is ${id}.`,
  }
}
