import { z } from 'zod'
import type { Account } from './account.ts'
import type { Folder } from './entry.ts'
import { badRequest, GraphError } from './error.ts'

const stateSchema = z.strictObject({
  /** The folder of the messages; absent for the list of folders itself. */
  folder: z.number().int().optional(),
  /** How often deltas had been invalidated when the round started. */
  generation: z.number().int(),
  epoch: z.string(),
  select: z.array(z.string()).optional(),
  filter: z.string().optional(),
  hidden: z.boolean().optional(),
  /** Whether the round lists the existing content. */
  first: z.boolean().optional(),
  /** The client knows the changes up to here. */
  since: z.number().int(),
  /** First round: the last listed item, and the number of listed items. */
  listed: z.strictObject({ receivedAtMs: z.number(), index: z.number(), count: z.number() }).optional(),
  /** Later rounds: the changes up to here were listed. */
  after: z.number().int().optional(),
  /** Whether an empty page has been answered instead of this one. */
  empty: z.boolean().optional(),
})

/** A client's position in a delta: within a round, or between two. */
export type DeltaState = z.output<typeof stateSchema>

const KINDS = { $skiptoken: 'skip ', $deltatoken: 'delta ' } as const

/** The parameters that carry a token. */
export const TOKEN_PARAMETERS = ['$skiptoken', '$deltatoken'] as const

/** Encodes a state as a link's parameter, opaque to clients. */
export function tokenParameter(kind: (typeof TOKEN_PARAMETERS)[number], state: DeltaState): string {
  return `${kind}=${Buffer.from(KINDS[kind] + JSON.stringify(state)).toString('base64url')}`
}

/** Returns the state in a request; `undefined` at the start. Throws a 400 for an invalid token. */
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

/** Returns the start of a round: nothing is listed, and earlier changes are part of the content. */
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
 * Throws a 410 for a token that was invalidated, belongs to another folder, or comes from an earlier
 * simulator, unless nothing had changed before it: the same mailbox has the same content whenever it is
 * loaded.
 */
export function checkState(state: DeltaState, { generations, sequence }: Account, folder: Folder | undefined): void {
  const lost = state.epoch !== sequence.epoch && state.since > 0
  if (lost || state.folder !== folder?.index || state.generation < generations.of(folder)) throw syncStateGone()
}

/** 410: the token is too old, and the folder must be listed again. */
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
