import { type Understood, understand } from './answer.ts'
import { answerParts, type BatchPart, type PartAnswer, readBatch } from './batch.ts'
import type { GraphAnswer, GraphRequest } from './call.ts'
import { badRequest, type GraphError } from './error.ts'
import { JSON_TYPE, type Serving } from './serving.ts'

interface Running {
  origin: string
  serving: Serving
  /** Returns the answer for an error. */
  failure: (thrown: unknown, headers: GraphRequest['headers']) => GraphAnswer
  /** Receives the function to call after the answer is sent; until then the batch is in flight. */
  onSent: (release: () => void) => void
  /**
   * Waits the latency of a batch with this many parts; returns true if the connection was meanwhile taken
   * over.
   */
  latency: (parts: number) => Promise<boolean>
}

/**
 * Runs a batch: counts its parts, enforces limits, and applies faults one by one. Returns `undefined` if the
 * connection was taken over. Throws a 400 or a 401 for the whole batch.
 */
export async function runBatch(
  request: GraphRequest,
  { origin, serving, failure, onSent, latency }: Running,
): Promise<readonly object[] | undefined> {
  const { state, calls, striking } = serving
  const { authorization } = request.headers
  state.tokens.readAuthorization(authorization)
  if (request.method !== 'POST') throw badRequest('A batch is sent with POST.')
  const parts = readBatch(request.body, request.url.split('/')[1] ?? '').map((part): BatchPart => {
    return { ...part, headers: { ...part.headers, authorization: part.headers.authorization ?? authorization } }
  })
  const understood = new Map(parts.map(part => [part, attempt(() => understand(part, { origin, state }))]))
  for (const one of understood.values()) calls.notePart('kind' in one ? one.kind : 'other')
  const { refusals, release } = admit(understood, serving)
  onSent(release)

  const answerPart = async (part: BatchPart) => {
    try {
      const refusal = refusals.get(part)
      if (refusal) throw refusal
      striking.part()
      const one = understood.get(part)
      if (!one || 'thrown' in one) throw one?.thrown
      striking.denied(part.url, one.address)
      if (one.kind === 'delta') striking.delta()
      return await one.answer()
    } catch (thrown) {
      return failure(thrown, part.headers)
    }
  }

  if (await latency(parts.length)) return undefined
  const answers = await answerParts(parts, answerPart)
  return striking.batch(inOrder(answers, serving)).map(render)
}

type Attempt = Understood | { thrown: unknown }

function attempt(act: () => Understood): Attempt {
  try {
    return act()
  } catch (thrown) {
    return { thrown }
  }
}

function admit(understood: ReadonlyMap<BatchPart, Attempt>, { throttling }: Serving) {
  const refusals = new Map<BatchPart, GraphError | undefined>()
  const byAddress = new Map<string, BatchPart[]>()
  for (const [part, one] of understood)
    if ('address' in one && one.address !== undefined)
      byAddress.set(one.address, [...(byAddress.get(one.address) ?? []), part])
  const releases = [...byAddress].map(([address, parts]) => {
    const admission = throttling.admit(address, parts.length)
    for (const [at, part] of parts.entries()) refusals.set(part, admission.refusals[at])
    return admission.release
  })
  return {
    refusals,
    release() {
      for (const release of releases) release()
    },
  }
}

// Answers arrive in the order of completion, which clients cannot rely on.
function inOrder(answers: readonly PartAnswer[], { state }: Serving): readonly PartAnswer[] {
  if (!state.quirks.shuffled) return answers
  const drawn = answers.map(answer => ({ answer, at: state.random() }))
  return drawn.sort((a, b) => a.at - b.at).map(({ answer }) => answer)
}

function render({ id, status, headers, body }: PartAnswer): object {
  const shown = Buffer.isBuffer(body) ? body.toString('base64') : body
  const typed = shown === undefined ? {} : { 'content-type': JSON_TYPE }
  const all = Object.entries({ 'cache-control': 'private', 'odata-version': '4.0', ...typed, ...headers })
  return {
    id,
    status,
    // Graph spells header names like this, and Microsoft's own client finds no others.
    headers: Object.fromEntries(all.map(([name, value]) => [spelt(name), value])),
    ...(shown === undefined ? {} : { body: shown }),
  }
}

function spelt(name: string): string {
  return name.replace(/(^|-)[a-z]/g, letter => letter.toUpperCase()).replace(/^Odata/, 'OData')
}
