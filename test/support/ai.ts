import type { Sent, SinkCall } from '../../shared/ai/sink.ts'
import type { RequestedSpending, Reservation, Spending } from '../../shared/ai/spending.ts'
import type { Task } from '../../shared/task/schema.ts'

type Message = Task['messages'][number]

/** A task with these messages; each text stands for a message. */
export function taskOf(texts: readonly string[], more: Partial<Task> = {}): Task {
  return {
    task: 'gmail:ana@example.com/t1/v1',
    mailbox: 'gmail:ana@example.com',
    thread: 't1',
    version: 'v1',
    subject: 'Launch',
    participants: [{ name: 'Ana', address: 'ana@example.com', role: 'owner' }],
    messages: texts.map((text, index) => messageOf(`18c${index}`, text)),
    omitted: [],
    labels: ['INBOX'],
    truncated: false,
    reason: 'new',
    timeZone: 'Europe/Berlin',
    promptVersion: '1',
    budget: { tokens: 8000, used: 100, omitted: 0 },
    ...more,
  }
}

/** A message from Bo to Ana. */
export function messageOf(id: string, text: string, more: Partial<Message> = {}): Message {
  return {
    id,
    from: [{ name: 'Bo', address: 'bo@example.com' }],
    to: [{ name: 'Ana', address: 'ana@example.com' }],
    cc: [],
    date: '2026-11-27T10:00:00.000Z',
    subject: 'Launch',
    text,
    truncated: false,
    ...more,
  }
}

/** What became of a reservation, in order. */
export interface Booked {
  of: RequestedSpending
  steps: string[]
  used?: { microUsd: number; tokens: number } | undefined
}

/** Spending that grants everything unless it is changed, and records it. */
export function recordedSpending(change: Partial<Reservation> = {}): { spending: Spending; booked: Booked[] } {
  const booked: Booked[] = []
  const spending: Spending = {
    async reserve(of) {
      const book: Booked = { of, steps: ['reserved'] }
      booked.push(book)
      return {
        outcome: 'go',
        async sent() {
          book.steps.push('sent')
          return change.sent ? change.sent() : true
        },
        async settle(used) {
          book.steps.push('settled')
          book.used = used
          return change.settle ? change.settle(used) : (used?.microUsd ?? 0) <= of.microUsd
        },
        async release() {
          book.steps.push('released')
        },
      }
    },
  }
  return { spending, booked }
}

/** The surroundings of a call that nobody aborts. */
export function callWith(spending: Spending, more: Partial<SinkCall> = {}): SinkCall {
  const { signal } = new AbortController()
  return { signal, attempt: 0, lane: 'live', now: () => Date.UTC(2026, 10, 30), spending, ...more }
}

/** The answer of a sink that answers itself. */
export function answerIn(sent: Sent) {
  if (sent.outcome !== 'answered') throw new Error('the sink gave no answer')
  return sent.answer
}
