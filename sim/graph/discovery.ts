import type { FastifyInstance } from 'fastify'
import type { Signer } from '../signing.ts'

/** The tenant of all simulated mailboxes. */
export const TENANT_ID = '7a1d4c5e-9b3f-4e2a-8c6d-0f1e2d3c4b5a'

const LOGIN = 'https://login.microsoftonline.com'
const ALIASES = ['common', 'organizations', 'consumers']

/** Whether a tenant in a path is a class of accounts rather than one tenant. */
export function isAlias(tenant: string): boolean {
  return ALIASES.includes(tenant.toLowerCase())
}

/** The issuer of tokens. */
export const ISSUER = `${LOGIN}/${TENANT_ID}/v2.0`

/**
 * Adds the discovery documents of the identity platform: `/{tenant}/v2.0/.well-known/openid-configuration`,
 * `/{tenant}/discovery/v2.0/keys` and `/common/discovery/instance`. They contain Microsoft's addresses,
 * because clients accept no others; clients must map each to the simulator.
 */
export function addDiscovery(app: FastifyInstance, { signer }: { signer: Signer }): void {
  app.get('/:tenant/v2.0/.well-known/openid-configuration', async ({ params }) => {
    const { tenant = '' } = params as Record<string, string | undefined>
    const base = `${LOGIN}/${tenant}`
    return {
      token_endpoint: `${base}/oauth2/v2.0/token`,
      token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt', 'client_secret_basic'],
      jwks_uri: `${base}/discovery/v2.0/keys`,
      response_modes_supported: ['query', 'form_post'],
      subject_types_supported: ['pairwise'],
      id_token_signing_alg_values_supported: ['RS256'],
      response_types_supported: ['code'],
      scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
      issuer: isAlias(tenant) ? `${LOGIN}/{tenantid}/v2.0` : ISSUER,
      authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
      tenant_region_scope: null,
      cloud_instance_name: 'microsoftonline.com',
      msgraph_host: 'graph.microsoft.com',
    }
  })
  app.get('/:tenant/discovery/v2.0/keys', async () => signer.keys())
  app.get('/common/discovery/instance', async () => ({
    tenant_discovery_endpoint: `${LOGIN}/common/v2.0/.well-known/openid-configuration`,
    'api-version': '1.1',
    metadata: [
      {
        preferred_network: 'login.microsoftonline.com',
        preferred_cache: 'login.windows.net',
        aliases: ['login.microsoftonline.com', 'login.windows.net', 'login.microsoft.com', 'sts.windows.net'],
      },
    ],
  }))
}
