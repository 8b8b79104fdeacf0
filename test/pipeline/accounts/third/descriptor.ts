import type { ProviderDescriptor } from '../../../../pipeline/accounts/providers/descriptor.ts'
import type { Mailbox } from '../../../../shared/mailbox.ts'

/** How many messages a call of the third provider may fetch. */
export const BATCH_SIZE = 7

/** A provider of the test's own: its adapter is the mailbox that it is given, and `tokens` collects the access tokens that came with it. */
export function thirdProvider(mailbox: Mailbox, tokens: string[]): ProviderDescriptor {
  return {
    id: 'third',
    label: 'Third',
    company: 'Third Ltd',
    issuer: 'https://third.example.com',
    idHint: 'for Third any text',
    permissionsPage: 'https://third.example.com/permissions',
    setup: 'set nothing',
    accountSettings: 'nothing',
    simulatedList: '/control/third/mailboxes',
    hasClient: () => true,
    isConfigured: () => true,
    isNotifying: () => false,
    reportsWatches: false,
    fetching: () => ({ batchSize: BATCH_SIZE, concurrency: 2 }),
    limits: (_, { minuteMs }) => ({ mailboxUnits: 1000, requests: 20, windowMs: minuteMs }),
    requestsSource: 'of the test',
    removalNote: () => undefined,
    access: async () => ({
      accounts: () => ({
        fixed: () => undefined,
        fallback: () => ({ get: async () => 'a token', refused: async () => false }),
        renewal: { renew: () => Promise.reject(new Error('no grant is kept')), isDead: () => false },
      }),
      consent: () => {
        throw new Error('nobody is asked')
      },
      open: ({ account }) => ({
        ...mailbox,
        async open(call, knownUntil) {
          tokens.push(await account.get('a test', call.signal))
          return mailbox.open(call, knownUntil)
        },
      }),
      listConfigured: async () => ['third:ana@example.com'],
      revoke: async () => undefined,
    }),
  }
}
