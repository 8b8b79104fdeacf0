/**
 * The kinds of requests: folders (including their delta), lists of messages, deltas of messages, one message,
 * and so on.
 */
const KINDS = [
  'folders',
  'list',
  'delta',
  'get',
  'change',
  'batch',
  'subscription',
  'profile',
  'token',
  'other',
] as const
export type CallKind = (typeof KINDS)[number]

/**
 * HTTP requests by kind; `total` is all but `token`. Requests inside batches are counted by kind only in
 * `parts`.
 */
export interface CallCounts extends Record<CallKind, number> {
  total: number
  parts: Record<CallKind, number> & { total: number }
}

/** Counts calls. */
export function countCalls() {
  let counts = noCalls()
  return {
    note(kind: CallKind) {
      counts[kind] += 1
      if (kind !== 'token') counts.total += 1
    },
    notePart(kind: CallKind) {
      counts.parts[kind] += 1
      counts.parts.total += 1
    },
    read: (): CallCounts => structuredClone(counts),
    reset() {
      counts = noCalls()
    },
  }
}

function noCalls(): CallCounts {
  const none = () => ({ ...(Object.fromEntries(KINDS.map(kind => [kind, 0])) as Record<CallKind, number>), total: 0 })
  return { ...none(), parts: none() }
}
