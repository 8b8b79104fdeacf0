import { z } from 'zod'
import { badRequest, type GraphError, notSimulated } from './error.ts'

/** A subscription to changes. */
export interface Subscription {
  id: string
  /** The owner of its token: lower-case address, `undefined` for an application. Others cannot see it. */
  owner: string | undefined
  /** The watched mailbox: lower-case address. */
  address: string
  /** The index of the watched folder; `undefined` for all. */
  folder: number | undefined
  resource: string
  changeTypes: readonly ChangeType[]
  notificationUrl: string
  lifecycleNotificationUrl: string | undefined
  clientState: string | undefined
  expiresAtMs: number
  immutableIds: boolean
}

export type ChangeType = 'created' | 'updated' | 'deleted'

// learn.microsoft.com/graph/api/resources/subscription: Outlook messages without resource data.
const MAX_MINUTES = 10_080
// An earlier expiry is raised to this.
const LEAST_MINUTES = 45
const MAX_STATE = 128
const MINUTE_MS = 60_000

const newSchema = z.strictObject({
  changeType: z.string(),
  notificationUrl: z.string(),
  lifecycleNotificationUrl: z.string().nullish(),
  resource: z.string(),
  expirationDateTime: z.string(),
  clientState: z.string().nullish(),
  latestSupportedTlsVersion: z.string().nullish(),
})
const renewalSchema = z.strictObject({ expirationDateTime: z.string() })

/** Reads a `POST /subscriptions`, with `resource` as written. Throws a 400 that names the fault. */
export function readSubscription(body: unknown, nowMs: number) {
  const { data, error } = newSchema.safeParse(body)
  if (!data) {
    const [issue] = error.issues
    if (issue?.code === 'unrecognized_keys') throw notSimulated(`${issue.keys.join(', ')} of a subscription`)
    throw invalid(`${issue?.path.join('.') || 'The body'} is missing or no string.`)
  }
  const { changeType, clientState, notificationUrl, lifecycleNotificationUrl, resource } = data
  const types = changeType.split(',').map(type => type.trim().toLowerCase())
  if (!types.every(isChangeType)) throw invalid(`changeType ${changeType} is not of created, updated and deleted.`)
  if (clientState && clientState.length > MAX_STATE)
    throw invalid(`clientState is longer than the ${MAX_STATE} characters that are allowed.`)
  return {
    resource,
    changeTypes: types,
    notificationUrl,
    lifecycleNotificationUrl: lifecycleNotificationUrl ?? undefined,
    clientState: clientState ?? undefined,
    expiresAtMs: readExpiration(data.expirationDateTime, nowMs),
  }
}

/**
 * Returns the new expiry of a `PATCH /subscriptions/{id}`, in ms since 1970. Throws a 400 for anything but an
 * allowed time.
 */
export function readRenewal(body: unknown, nowMs: number): number {
  const { data } = renewalSchema.safeParse(body)
  if (!data) throw notSimulated('Any other change of a subscription than that of its expirationDateTime')
  return readExpiration(data.expirationDateTime, nowMs)
}

/**
 * Returns the parts of a resource: its user and, for one folder, the folder's name or id. Throws a 400 if it
 * is not simulated.
 */
export function readResource(resource: string): { user: string; folder: string | undefined } {
  const plain = resource.replace(/^\//, '')
  const [, user, inFolder] = /^(me|users\/[^/]+(?=\/)|users\('[^']+'\))(.*)\/messages$/i.exec(plain) ?? []
  const folder = /^(?:\/mailFolders(?:\('([^']+)'\)|\/([^/]+)))?$/i.exec(inFolder ?? '')
  if (user === undefined || !folder) throw notSimulated(`A subscription to ${resource.slice(0, 200)}`)
  return { user: user.replace(/^users(\/|\(')/i, '').replace(/'\)$/, ''), folder: folder[1] ?? folder[2] }
}

function readExpiration(text: string, nowMs: number): number {
  const atMs = Date.parse(text)
  if (Number.isNaN(atMs)) throw invalid(`expirationDateTime ${text.slice(0, 50)} is no date and time.`)
  if (atMs <= nowMs) throw invalid('Subscription expiration cannot be in the past.')
  if (atMs > nowMs + MAX_MINUTES * MINUTE_MS)
    throw invalid(`Subscription expiration can only be ${MAX_MINUTES} minutes in the future.`)
  return Math.max(atMs, nowMs + LEAST_MINUTES * MINUTE_MS)
}

function isChangeType(type: string): type is ChangeType {
  return type === 'created' || type === 'updated' || type === 'deleted'
}

function invalid(message: string): GraphError {
  return badRequest(message, 'InvalidRequest')
}
