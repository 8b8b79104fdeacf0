/** Facts about a provider for code that knows no adapter. */
export interface ProviderTraits {
  /** The provider's name for people. */
  label: string
  /** Whether a listing page covers one folder, and not the whole mailbox. */
  listsByFolder: boolean
  /** Whether listing pages include the messages, which are cached with the page and need no fetch. */
  listsMessages: boolean
  /** The field in which the vault stores the sealed grant of a mailbox's owner. */
  grantField: string
}

const TRAITS: ReadonlyMap<string, ProviderTraits> = new Map([
  ['gmail', { label: 'Gmail', listsByFolder: false, listsMessages: false, grantField: 'refresh' }],
  ['outlook', { label: 'Outlook', listsByFolder: true, listsMessages: true, grantField: 'msal' }],
])

/** The names of the providers that a mailbox id may begin with. */
export const PROVIDERS: readonly string[] = [...TRAITS.keys()]

/** Returns the traits of a provider. A provider without a row lists ids of the whole mailbox, and its name is its label. */
export function traitsOf(provider: string): ProviderTraits {
  return (
    TRAITS.get(provider) ?? { label: provider, listsByFolder: false, listsMessages: false, grantField: 'grant-secret' }
  )
}
