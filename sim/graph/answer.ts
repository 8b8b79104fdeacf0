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

/** What a simulator is made of: mailboxes by lower-case address, tokens, the clock, and what is odd about it. */
export interface World {
  accounts: ReadonlyMap<string, Account>
  tokens: Tokens
  subscriptions: Subscriptions
  now: () => number
  quirks: Quirks
  /** The next number from 0 up to 1 of the simulator's generator. */
  random: () => number
}

/** A request that was understood: its kind, whom it concerns (lower-case address, where that can be told), and how it is answered. */
export interface Understood {
  kind: CallKind
  address: string | undefined
  answer: () => GraphAnswer | Promise<GraphAnswer>
}

const READING = ['Mail.Read', 'Mail.ReadWrite', 'Mail.Read.Shared', 'Mail.ReadWrite.Shared']

/** Understands a request to a mailbox. What is wrong with it is thrown when it is answered. */
export function understand(request: GraphRequest, { origin, world }: { origin: string; world: World }): Understood {
  const { version, words, query } = readPath(request.url)
  const [first = '', second = '', ...others] = words
  const mine = first.toLowerCase() === 'me'
  const path = mine ? words.slice(1) : others
  const found = mine || first.toLowerCase() === 'users' ? routeOf(request.method, path) : undefined
  const subscribing = first.toLowerCase() === 'subscriptions'
  return {
    kind: subscribing ? 'subscription' : (found?.route.kind ?? 'other'),
    address: concerned(request, world, found && !mine ? second : undefined),
    answer: () => {
      if (version !== 'v1.0')
        throw new GraphError(404, 'NotFound', `Only v1.0 of Graph is simulated, not ${version || 'none'}.`)
      const grant = world.tokens.readAuthorization(request.headers.authorization)
      const { address, scopes } = grant
      if (subscribing) return subscription(request, { path: words.slice(1), grant, origin, world })
      if (!found) throw unknown(request, words)
      const account = mine ? accountOf(world, address) : userOf(world, second, address)
      const call: Call = {
        account,
        user: mine ? 'me' : `users('${second}')`,
        origin,
        query,
        prefer: readPreferences(request.headers.prefer),
        ids: found.ids,
        body: request.body,
        bodies: scopes.some(scope => READING.includes(scope)),
        nowMs: world.now(),
        quirks: world.quirks,
        random: world.random,
      }
      checkScopes(found.route.kind, scopes)
      return answered(found.route.answer(call), call)
    },
  }
}

async function subscription(
  { method, headers, body }: GraphRequest,
  { path, grant, origin, world }: { path: readonly string[]; grant: Grant; origin: string; world: World },
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
    nowMs: world.now(),
    subscriptions: world.subscriptions,
    mailbox: user => (user.toLowerCase() === 'me' ? accountOf(world, address) : userOf(world, user, address)),
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

function accountOf({ accounts }: World, address: string | undefined): Account {
  if (address === undefined) throw badRequest('/me request is only valid with delegated authentication flow.')
  const account = accounts.get(address)
  if (!account) throw unauthenticated(true)
  return account
}

function userOf({ accounts }: World, user: string, address: string | undefined): Account {
  const wanted = user.toLowerCase()
  const account = accounts.get(wanted) ?? [...accounts.values()].find(({ ids }) => ids.user === wanted)
  if (address !== undefined && account?.address.toLowerCase() !== address) throw accessDenied()
  if (!account) throw new GraphError(404, 'ErrorInvalidUser', `The requested user '${user}' is invalid.`)
  return account
}

/** Whose mailbox is asked for: the one that a path names, else that of the token; `undefined` for a request that is not let in. */
function concerned({ headers }: GraphRequest, world: World, named: string | undefined): string | undefined {
  try {
    const { address } = world.tokens.readAuthorization(headers.authorization)
    return named === undefined ? address : userOf(world, named, address).address.toLowerCase()
  } catch {
    return undefined
  }
}
