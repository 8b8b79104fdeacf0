import type { Account } from './account.ts'
import type { Call, GraphAnswer, GraphRequest } from './call.ts'
import type { CallKind } from './calls.ts'
import { accessDenied, badRequest, GraphError, unauthenticated } from './error.ts'
import { readPath } from './path.ts'
import { readPreferences } from './preferences.ts'
import type { Quirks } from './quirks.ts'
import { routeOf } from './routes.ts'
import { answerSubscription } from './subscription-calls.ts'
import type { Subscriptions } from './subscriptions.ts'
import type { Grant, Tokens } from './token.ts'

/** The state of a simulator: mailboxes by lower-case address, tokens, the clock, and quirks. */
export interface GraphState {
  accounts: ReadonlyMap<string, Account>
  tokens: Tokens
  subscriptions: Subscriptions
  now: () => number
  quirks: Quirks
  /** Returns the next number in [0, 1) of the simulator's generator. */
  random: () => number
}

/** An interpreted request: its kind, its mailbox (lower-case address, if known), and its answer. */
export interface Understood {
  kind: CallKind
  address: string | undefined
  answer: () => GraphAnswer | Promise<GraphAnswer>
}

const READING = ['Mail.Read', 'Mail.ReadWrite', 'Mail.Read.Shared', 'Mail.ReadWrite.Shared']

/** Interprets a request to a mailbox. Its errors are thrown when it is answered. */
export function understand(
  request: GraphRequest,
  { origin, state }: { origin: string; state: GraphState },
): Understood {
  const { version, words, query } = readPath(request.url)
  const [first = '', second = '', ...others] = words
  const mine = first.toLowerCase() === 'me'
  const path = mine ? words.slice(1) : others
  const found = mine || first.toLowerCase() === 'users' ? routeOf(request.method, path) : undefined
  const subscribing = first.toLowerCase() === 'subscriptions'
  return {
    kind: subscribing ? 'subscription' : (found?.route.kind ?? 'other'),
    address: concerned(request, state, found && !mine ? second : undefined),
    answer: () => {
      if (version !== 'v1.0')
        throw new GraphError(404, 'NotFound', `Only v1.0 of Graph is simulated, not ${version || 'none'}.`)
      const grant = state.tokens.readAuthorization(request.headers.authorization)
      const { address, scopes } = grant
      if (subscribing) return subscription(request, { path: words.slice(1), grant, origin, state })
      if (!found) throw unknown(request, words)
      const account = mine ? accountOf(state, address) : userOf(state, second, address)
      const call: Call = {
        account,
        user: mine ? 'me' : `users('${second}')`,
        origin,
        query,
        prefer: readPreferences(request.headers.prefer),
        ids: found.ids,
        body: request.body,
        bodies: scopes.some(scope => READING.includes(scope)),
        nowMs: state.now(),
        quirks: state.quirks,
        random: state.random,
      }
      checkScopes(found.route.kind, scopes)
      return answered(found.route.answer(call), call)
    },
  }
}

async function subscription(
  { method, headers, body }: GraphRequest,
  { path, grant, origin, state }: { path: readonly string[]; grant: Grant; origin: string; state: GraphState },
): Promise<GraphAnswer> {
  const { address, scopes } = grant
  checkScopes('subscription', scopes)
  const answer = await answerSubscription({
    method,
    path,
    body,
    origin,
    owner: { address },
    immutableIds: readPreferences(headers.prefer).immutableIds,
    nowMs: state.now(),
    subscriptions: state.subscriptions,
    mailbox: user => (user.toLowerCase() === 'me' ? accountOf(state, address) : userOf(state, user, address)),
  })
  if (!answer) throw unknown({ method }, ['subscriptions', ...path])
  return answer
}

function unknown({ method }: { method: string }, words: readonly string[]): GraphError {
  return badRequest(
    `Resource not found for the segment '${words.at(-1) ?? ''}': ${method} ${words.join('/')} is not simulated.`,
  )
}

async function answered(answer: GraphAnswer | Promise<GraphAnswer>, { prefer }: Call): Promise<GraphAnswer> {
  const { headers, ...rest } = await answer
  const { applied } = prefer
  return {
    ...rest,
    headers: { ...headers, ...(applied.length > 0 ? { 'preference-applied': applied.join(', ') } : {}) },
  }
}

function checkScopes(kind: CallKind, scopes: readonly string[]): void {
  if (kind === 'profile') return
  const enough =
    kind === 'change'
      ? ['Mail.ReadWrite', 'Mail.ReadWrite.Shared']
      : [...READING, 'Mail.ReadBasic', 'Mail.ReadBasic.All']
  if (!scopes.some(scope => enough.includes(scope))) throw accessDenied()
}

function accountOf({ accounts }: GraphState, address: string | undefined): Account {
  if (address === undefined) throw badRequest('/me request is only valid with delegated authentication flow.')
  const account = accounts.get(address)
  if (!account) throw unauthenticated(true)
  return account
}

function userOf({ accounts }: GraphState, user: string, address: string | undefined): Account {
  const wanted = user.toLowerCase()
  const account = accounts.get(wanted) ?? [...accounts.values()].find(({ ids }) => ids.user === wanted)
  if (address !== undefined && account?.address.toLowerCase() !== address) throw accessDenied()
  if (!account) throw new GraphError(404, 'ErrorInvalidUser', `The requested user '${user}' is invalid.`)
  return account
}

/**
 * Returns the requested mailbox: the one in the path, else the token's; `undefined` for an unauthorized
 * request.
 */
function concerned({ headers }: GraphRequest, state: GraphState, named: string | undefined): string | undefined {
  try {
    const { address } = state.tokens.readAuthorization(headers.authorization)
    return named === undefined ? address : userOf(state, named, address).address.toLowerCase()
  } catch {
    return undefined
  }
}
