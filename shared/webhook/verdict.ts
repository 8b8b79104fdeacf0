/**
 * What an answer's status means. `paused`: every task would be refused until a person changes something, and `mend` says what. `pacing`: the
 * receiver is slower than its sender. `failing`: it may recover. `refused`: it does not take this task.
 */
export type Verdict = { is: 'accepted' | 'pacing' | 'failing' | 'refused' } | { is: 'paused'; mend: string }

const MENDS = new Map([
  [401, 'it does not accept the signature; compare WEBHOOK_SECRET with the secret of the receiver'],
  [403, 'it forbids the request; check its permissions, and WEBHOOK_SECRET'],
  [407, 'a proxy asks for credentials; write them into HTTPS_PROXY'],
  [410, 'it takes no more messages; set WEBHOOK_URL to its successor, or AI_SINK to another sink'],
])
const MOVED = [301, 308]
const RETRIED = [408, 425]

/** Returns what a status means. A redirect is never followed: one for good pauses the sink, any other may pass. */
export function verdictOf(status: number): Verdict {
  const mend = MENDS.get(status)
  if (mend !== undefined) return { is: 'paused', mend }
  if (MOVED.includes(status)) return { is: 'paused', mend: 'it has moved for good; set WEBHOOK_URL to its new address' }
  if (status >= 200 && status < 300) return { is: 'accepted' }
  if (status === 429) return { is: 'pacing' }
  if (status < 400 || status >= 500 || RETRIED.includes(status)) return { is: 'failing' }
  return { is: 'refused' }
}
