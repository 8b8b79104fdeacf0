import type { Config } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import { type MailboxId, type Provider, providerOf } from '../../shared/mailbox.ts'
import type { Issuer } from '../../shared/redis/secrets.ts'
import type { Fetching } from '../base/stages.ts'
import { issuerAt } from './oauth-app.ts'
import type { ProviderAccess, ProviderDescriptor } from './providers/descriptor.ts'
import { gmail } from './providers/gmail.ts'
import { outlook } from './providers/outlook.ts'

/** The providers that a process knows, by their ids and in the order of their registration. */
export type Providers = ReadonlyMap<Provider, ProviderDescriptor>

/** The providers that a process knows, each with its adapter loaded. */
export type LoadedProviders = ReadonlyMap<Provider, ProviderDescriptor & { loaded: ProviderAccess }>

/** Every provider of mailsluice; a new one is registered here. */
export const PROVIDERS: Providers = registryOf([gmail, outlook])

/** Returns providers by their ids. */
export function registryOf(descriptors: readonly ProviderDescriptor[]): Providers {
  return new Map(descriptors.map(descriptor => [descriptor.id, descriptor]))
}

/** Loads the adapters of all these providers. */
export async function loadProviders(providers: Providers): Promise<LoadedProviders> {
  const loaded = [...providers].map(
    async ([id, descriptor]) => [id, { ...descriptor, loaded: await descriptor.access() }] as const,
  )
  return new Map(await Promise.all(loaded))
}

/** Returns the provider of that name; throws `unsupported` where none is registered. */
export function named<Known>(providers: ReadonlyMap<Provider, Known>, provider: Provider): Known {
  const known = providers.get(provider)
  if (known) return known
  throw new MailError('unsupported', `no provider is called ${provider}: use ${[...providers.keys()].join(' or ')}`)
}

/** Returns the providers whose accounts the settings name, or for which they let accounts be connected. */
export function configuredProviders(config: Config, providers: Providers = PROVIDERS): ProviderDescriptor[] {
  return [...providers.values()].filter(provider => provider.isConfigured(config))
}

/** Returns the commands that connect a mailbox, for people. */
export function connectCommands(providers: Providers = PROVIDERS): string {
  return [...providers.keys()].map(provider => `\`mailsluice connect ${provider}\``).join(' or ')
}

/** Returns how a mailbox's messages are fetched; FETCH_BATCH_SIZE and FETCH_CONCURRENCY apply to a provider that is not registered. */
export function fetchingOf(mailbox: MailboxId, config: Config, providers: Providers = PROVIDERS): Fetching {
  const { FETCH_BATCH_SIZE: batchSize, FETCH_CONCURRENCY: concurrency } = config
  return providers.get(providerOf(mailbox))?.fetching(config) ?? { batchSize, concurrency }
}

/** Returns the issuer of a provider's grants. A provider's grant is never shown to a simulator, nor a simulator's to a provider. */
export function issuerOf(provider: Provider, simUrl: string | undefined, providers: Providers = PROVIDERS): Issuer {
  return issuerAt(named(providers, provider).issuer, simUrl)
}
