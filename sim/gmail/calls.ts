/**
 * HTTP requests by kind. `total` is all but `token`; `parts` counts the sub-requests inside batches, which
 * `total` does not.
 */
export interface CallCounts {
  list: number
  batch: number
  single: number
  thread: number
  history: number
  profile: number
  labels: number
  token: number
  other: number
  total: number
  parts: number
}

/** A kind of HTTP request. */
export type CallKind = Exclude<keyof CallCounts, 'total' | 'parts'>

/** Counts calls. `note` counts one HTTP request, `noteParts` the parts of a batch. */
export function countCalls() {
  let counts = noCalls()
  return {
    note(kind: CallKind) {
      counts[kind] += 1
      if (kind !== 'token') counts.total += 1
    },
    noteParts(parts: number) {
      counts.parts += parts
    },
    read: (): CallCounts => ({ ...counts }),
    reset() {
      counts = noCalls()
    },
  }
}

const KINDS: readonly [RegExp, CallKind][] = [
  [/^POST \/token$/, 'token'],
  [/^POST \/batch(\/gmail\/v1)?$/, 'batch'],
  [/^GET \/gmail\/v1\/users\/[^/]+\/(messages|threads)$/, 'list'],
  [/^GET \/gmail\/v1\/users\/[^/]+\/messages\/[^/]+$/, 'single'],
  [/^GET \/gmail\/v1\/users\/[^/]+\/threads\/[^/]+$/, 'thread'],
  [/^GET \/gmail\/v1\/users\/[^/]+\/history$/, 'history'],
  [/^GET \/gmail\/v1\/users\/[^/]+\/profile$/, 'profile'],
  [/^GET \/gmail\/v1\/users\/[^/]+\/labels(\/[^/]+)?$/, 'labels'],
]

// Paths outside Gmail's API: the control port, and Google's accounts server except its tokens.
const BESIDE = /^\/(control|oauth2|o\/oauth2|revoke)(\/|$)/

/** Returns the kind of a request; `undefined` if it is not a call to Gmail. */
export function kindOfCall(method: string, url: string): CallKind | undefined {
  const path = url.split('?', 1)[0] ?? ''
  if (BESIDE.test(path)) return undefined
  return KINDS.find(([pattern]) => pattern.test(`${method} ${path}`))?.[1] ?? 'other'
}

function noCalls(): CallCounts {
  return {
    list: 0,
    batch: 0,
    single: 0,
    thread: 0,
    history: 0,
    profile: 0,
    labels: 0,
    token: 0,
    other: 0,
    total: 0,
    parts: 0,
  }
}
