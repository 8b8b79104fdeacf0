import type { FastifyInstance } from 'fastify'
import type { countCalls } from './calls.ts'
import type { Tokens } from './token.ts'

/** Adds the token endpoint. */
export function addOAuth(
  app: FastifyInstance,
  { tokens, calls }: { tokens: Tokens; calls: ReturnType<typeof countCalls> },
): void {
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    async (_: unknown, body: string) => new URLSearchParams(body),
  )
  app.post('/:tenant/oauth2/v2.0/token', async (request, reply) => {
    calls.note('token')
    const form = request.body as URLSearchParams
    const expires = { token_type: 'Bearer', expires_in: tokens.lifetime(), ext_expires_in: tokens.lifetime() }
    if (form.get('grant_type') === 'client_credentials')
      return { ...expires, access_token: tokens.access({ address: undefined, scopes: ['Mail.Read'] }) }
    const grant = tokens.readRefresh(form.get('refresh_token') ?? '')
    if (typeof grant === 'string') return reply.code(400).send({ error: 'invalid_grant', error_description: grant })
    return {
      ...expires,
      scope: grant.scopes.join(' '),
      access_token: tokens.access(grant),
      refresh_token: tokens.refresh(grant),
    }
  })
}
