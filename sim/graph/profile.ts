import { ownOf } from '../own.ts'
import type { Call, GraphAnswer } from './call.ts'
import { allowOnly, selected } from './query.ts'

const PROPERTIES = ['id', 'displayName', 'mail', 'userPrincipalName']

/** Returns the owner of the mailbox. */
export function profile({ account, query, origin }: Call): GraphAnswer {
  allowOnly(query, ['$select'])
  const all: Record<string, unknown> = {
    id: account.ids.user,
    displayName: account.address.split('@')[0],
    mail: account.address,
    userPrincipalName: account.address,
  }
  const names = selected(query, PROPERTIES, 'microsoft.graph.user') ?? PROPERTIES
  return {
    status: 200,
    body: {
      '@odata.context': `${origin}/v1.0/$metadata#users/$entity`,
      ...Object.fromEntries(names.map(name => [name, ownOf(all, name)])),
    },
  }
}
