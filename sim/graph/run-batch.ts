import { type Understood, understand } from './answer.ts'
import { answerParts, type BatchPart, type PartAnswer, readBatch } from './batch.ts'
import type { GraphAnswer, GraphRequest } from './call.ts'
import { badRequest, type GraphError } from './error.ts'
import { JSON_TYPE, type Serving } from './serving.ts'

interface Running {
  origin: string
  serving: Serving
  /** The answer that an error makes. */
  failure: (thrown: unknown, headers: GraphRequest['headers']) => GraphAnswer
  /** Is given what is to be called once the answer is out: until then the batch is in flight. */
  held: (leave: () => void) => void
  /** Takes the time that a batch of so many parts takes; true where the answer has been taken out of hand meanwhile. */
  latency: (parts: number) => Promise<boolean>
}

/**
 * Runs a batch: its parts are counted, held to the limits and struck by faults one by one; `undefined` where the answer has been taken out
 * of hand. Throws a 400 or a 401 for the batch as a whole.
 */
export async function runBatch(
  request: GraphRequest,
  { origin, serving, failure, held, latency }: Running,
): Promise<readonly object[] | undefined> {
  const { world, calls, striking } = serving
  const { authorization } = request.headers
  world.tokens.readAuthorization(authorization)
  if (request.method !== 'POST') throw badRequest('A batch is sent with POST.')
  const parts = readBatch(request.body, request.url.split('/')[1] ?? '').map((part): BatchPart => {
    return { ...part, headers: { ...part.headers, authorization: part.headers.authorization ?? authorization } }
  })
  const understood = new Map(parts.map(part => [part, attempt(() => understand(part, { origin, world }))]))
  for (const one of understood.values()) calls.notePart('kind' in one ? one.kind : 'other')
  const { refusals, leave } = admit(understood, serving)
  held(leave)

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
  const leaving = [...byAddress].map(([address, parts]) => {
    const admission = throttling.admit(address, parts.length)
    for (const [at, part] of parts.entries()) refusals.set(part, admission.refusals[at])
    return admission.leave
  })
  return {
    refusals,
    leave() {
      for (const leave of leaving) leave()
    },
  }
}

// Answers come in the order in which they were ready, in which one cannot trust.
function inOrder(answers: readonly PartAnswer[], { world }: Serving): readonly PartAnswer[] {
  if (!world.quirks.shuffled) return answers
  const drawn = answers.map(answer => ({ answer, at: world.random() }))
  return drawn.sort((a, b) => a.at - b.at).map(({ answer }) => answer)
}

function render({ id, status, headers, body }: PartAnswer): object {
  const shown = Buffer.isBuffer(body) ? body.toString('base64') : body
  const typed = shown === undefined ? {} : { 'content-type': JSON_TYPE }
  const all = Object.entries({ 'cache-control': 'private', 'odata-version': '4.0', ...typed, ...headers })
  return {
    id,
    status,
    // The names are spelt so there, and Microsoft's own client finds no others.
    headers: Object.fromEntries(all.map(([name, value]) => [spelt(name), value])),
    ...(shown === undefined ? {} : { body: shown }),
  }
}

function spelt(name: string): string {
  return name.replace(/(^|-)[a-z]/g, letter => letter.toUpperCase()).replace(/^Odata/, 'OData')
}
