import type { Test } from 'tap'
import { gmailMailbox } from '../../../shared/gmail/mailbox.ts'
import type { Mailbox } from '../../../shared/mailbox.ts'
import { http } from '../../support/surroundings.ts'
import { type Asked, type Google, type Reply, startGoogle } from './google.ts'

type Options = Parameters<typeof gmailMailbox>[0]

/** Opens a Gmail mailbox at a scripted Google that closes when the test ends. */
export async function openGmail(
  t: Test,
  script: (asked: Asked, google: Google) => Reply,
  options: Partial<Options> & { token?: (asked: Asked) => Reply } = {},
): Promise<{ mailbox: Mailbox; google: Google }> {
  const { token, ...rest } = options
  const google = await startGoogle(script, token)
  t.teardown(() => google.close())
  const mailbox = gmailMailbox({
    http,
    address: 'ana@example.com',
    account: { clientId: 'client', clientSecret: 's3cret-client', refreshToken: 's3cret-refresh' },
    rootUrl: google.rootUrl,
    tokenUrl: google.tokenUrl,
    fields: 'id,threadId,labelIds,snippet,payload/headers,internalDate',
    initialSync: { kind: 'newest', count: 100 },
    quota: '2026',
    pageSize: { live: 100, bulk: 500 },
    ...rest,
  })
  return { mailbox, google }
}
