import { type LoadedProviders, loadProviders, PROVIDERS } from './providers.ts'

/** Every provider of mailsluice with its adapter; loaded with this file, for work that opens mailboxes. */
export const LOADED: LoadedProviders = await loadProviders(PROVIDERS)
