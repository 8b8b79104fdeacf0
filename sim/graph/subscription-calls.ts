import type { Account } from './account.ts'
import type { GraphAnswer } from './call.ts'
import { folderNamed } from './folders.ts'
import { readResource, readSubscription, type Subscription } from './subscription.ts'
import type { Subscriptions } from './subscriptions.ts'

/** An authorized request about subscriptions. */
export interface SubscriptionCall {
  method: string
  /** The path after `subscriptions`. */
  path: readonly string[]
  body: unknown
  origin: string
  /** The owner of the token. */
  owner: { address: string | undefined }
  immutableIds: boolean
  nowMs: number
  subscriptions: Subscriptions
  /**
   * Returns the mailbox of a resource, by `me`, an address or an id; throws Graph's error if it is not
   * accessible.
   */
  mailbox: (user: string) => Account
}

const NO_CONTENT: GraphAnswer = { status: 204 }

/** Answers requests under `/subscriptions`; `undefined` for one that is not simulated. */
export async function answerSubscription(call: SubscriptionCall): Promise<GraphAnswer | undefined> {
  const { method, path, subscriptions, owner } = call
  const [id, action] = path
  if (id === undefined) {
    if (method === 'POST') return create(call)
    if (method !== 'GET') return undefined
    return { status: 200, body: { ...contextOf(call, ''), value: subscriptions.list(owner).map(render) } }
  }
  const asked = `${method} ${action ?? ''}`.trim().toLowerCase()
  if (path.length > 2 || !['get', 'patch', 'delete', 'post reauthorize'].includes(asked)) return undefined
  const found = subscriptions.find(id, owner)
  if (asked === 'delete') subscriptions.remove(found)
  if (asked === 'patch') subscriptions.renew(found, call.body)
  if (asked === 'delete' || asked === 'post reauthorize') return NO_CONTENT
  return { status: 200, body: { ...contextOf(call, '/$entity'), ...render(found) } }
}

async function create(call: SubscriptionCall): Promise<GraphAnswer> {
  const { body, nowMs, owner, immutableIds, subscriptions } = call
  const settings = readSubscription(body, nowMs)
  const { user, folder } = readResource(settings.resource)
  const account = call.mailbox(user)
  const made = await subscriptions.create({
    ...settings,
    owner: owner.address,
    address: account.address.toLowerCase(),
    folder: folder === undefined ? undefined : folderNamed(account.folders, folder).index,
    immutableIds,
  })
  return { status: 201, body: { ...contextOf(call, '/$entity'), ...render(made) } }
}

function contextOf({ origin }: SubscriptionCall, of: string) {
  return { '@odata.context': `${origin}/v1.0/$metadata#subscriptions${of}` }
}

function render(subscription: Subscription) {
  const { id, resource, changeTypes, clientState, notificationUrl, lifecycleNotificationUrl, expiresAtMs } =
    subscription
  return {
    id,
    resource,
    applicationId: 'simulated',
    changeType: changeTypes.join(','),
    clientState: clientState ?? null,
    notificationUrl,
    notificationQueryOptions: null,
    lifecycleNotificationUrl: lifecycleNotificationUrl ?? null,
    expirationDateTime: new Date(expiresAtMs).toISOString(),
    creatorId: subscription.owner ?? 'simulated',
    includeResourceData: null,
    latestSupportedTlsVersion: 'v1_2',
    encryptionCertificate: null,
    encryptionCertificateId: null,
    notificationUrlAppId: null,
  }
}
