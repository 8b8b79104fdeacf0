import { z } from 'zod'
import type { Account } from './account.ts'
import type { Folder } from './entry.ts'
import { badRequest, GraphError } from './error.ts'

const stateSchema = z.strictObject({
  /** The folder whose messages are meant; absent for the folders themselves. */
  folder: z.number().int().optional(),
  /** How often deltas had been made invalid when the round began. */
  generation: z.number().int(),
  epoch: z.string(),
  select: z.array(z.string()).optional(),
  filter: z.string().optional(),
  hidden: z.boolean().optional(),
  /** Whether it is the round that lists what is there. */
  first: z.boolean().optional(),
  /** The changes up to here are known to the client. */
  since: z.number().int(),
  /** First round: the last item that was listed, and how many were. */
  listed: z.strictObject({ receivedAtMs: z.number(), index: z.number(), count: z.number() }).optional(),
  /** Later rounds: the changes up to here were listed. */
  after: z.number().int().optional(),
  /** Whether an empty page has been answered instead of this one. */
  empty: z.boolean().optional(),
})

/** Where a client stands in a delta: in the midst of a round, or between two. */
export type DeltaState = z.output<typeof stateSchema>

const KINDS = { $skiptoken: 'skip ', $deltatoken: 'delta ' } as const

/** The parameters that carry a token. */
export const TOKEN_PARAMETERS = ['$skiptoken', '$deltatoken'] as const

/** A link's parameter, opaque to clients. */
export function tokenParameter(kind: (typeof TOKEN_PARAMETERS)[number], state: DeltaState): string {
  return `${kind}=${Buffer.from(KINDS[kind] + JSON.stringify(state)).toString('base64url')}`
}

/** Where a request goes on, `undefined` where it begins; throws a 400 for a token that was never given out. */
export function readToken(query: URLSearchParams): DeltaState | undefined {
  const kind = TOKEN_PARAMETERS.find(name => query.has(name))
  if (kind === undefined) return undefined
  const text = Buffer.from(query.get(kind) ?? '', 'base64url').toString()
  const state = text.startsWith(KINDS[kind]) ? parse(text.slice(KINDS[kind].length)) : undefined
  if (state && [...query.keys()].length === 1) return state
  throw badRequest(
    state ? `The parameters beside ${kind} are part of it and cannot be given again.` : `The ${kind} is malformed.`,
    'ErrorInvalidUrlQuery',
  )
}

/** Where a round begins: nothing of it was listed, and the changes up to now are part of what is there. */
export function beginning({ generations, sequence }: Account, folder: Folder | undefined): DeltaState {
  return {
    first: true,
    ...(folder ? { folder: folder.index } : {}),
    generation: generations.of(folder),
    epoch: sequence.epoch,
    since: sequence.current(),
  }
}

/**
 * Throws a 410 for a token that was made invalid, is of another folder, or was given out by a simulator that is no more, unless nothing
 * had changed until then: the same mailbox loaded again is the same.
 */
export function checkState(state: DeltaState, { generations, sequence }: Account, folder: Folder | undefined): void {
  const lost = state.epoch !== sequence.epoch && state.since > 0
  if (lost || state.folder !== folder?.index || state.generation < generations.of(folder)) throw syncStateGone()
}

/** 410: the token is too old, the folder has to be listed anew. */
export function syncStateGone(): GraphError {
  return new GraphError(
    410,
    'syncStateNotFound',
    'The sync state generation is not found; a full synchronization is required.',
  )
}

function parse(json: string): DeltaState | undefined {
  try {
    return stateSchema.safeParse(JSON.parse(json)).data
  } catch {
    return undefined
  }
}
