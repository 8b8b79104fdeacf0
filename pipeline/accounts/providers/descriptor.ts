import type { Config } from '../../../shared/config.ts'
import type { Mailbox, MailboxId, Provider } from '../../../shared/mailbox.ts'
import type { Finding } from '../../../shared/provider/filter.ts'
import type { AccessTokens } from '../../../shared/provider/tokens.ts'
import type { QuotaLimits } from '../../../shared/redis/quota.ts'
import type { RunRecord } from '../../../shared/redis/runs.ts'
import type { Fetching } from '../../base/stages.ts'
import type { Surroundings } from '../../base/surroundings.ts'
import type { Consenting } from '../consent/consenting.ts'
import type { Renewal } from '../renewal.ts'
import type { Store } from '../store.ts'

/** A provider as the pipeline knows it. Every command loads it, so the parts that need an adapter are behind `access`. */
export interface ProviderDescriptor {
  /** The part of a mailbox id before the colon. */
  id: Provider
  /** The provider's name for people. */
  label: string
  /** The company that answers the provider's calls, in messages about refusals and grants. */
  company: string
  /** The issuer of the provider's grants; the vault shows a grant to its issuer alone. */
  issuer: string
  /** The description of the provider's message ids in `explain`. */
  idHint: string
  /** The description in `explain` of the mail that SKIP_LABELS skips; absent where that is the mail with a label. */
  skipHint?: string
  /** The page on which an owner revokes access. */
  permissionsPage: string
  /** The settings that make mailboxes of the provider connectable, and the command that connects one. */
  setup: string
  /** The settings without which a mailbox of the provider has no account. */
  accountSettings: string
  /** The simulator's address below its root that lists the provider's mailboxes. */
  simulatedList: string
  /** Returns whether the settings hold an OAuth client, with or without an account. */
  hasClient(config: Config): boolean
  /** Returns whether the settings name accounts, or let owners connect theirs. */
  isConfigured(config: Config): boolean
  /** Returns whether the settings say where the provider sends notifications. */
  isNotifying(config: Config): boolean
  /** Whether the provider reports when one of its watches ends early or loses notifications. */
  reportsWatches: boolean
  /** Returns how many messages a call may fetch, and how many calls one batch-fetch process makes at a time. */
  fetching(config: Config): Fetching
  /** Returns the limits of a mailbox's quota. `isSimulated`: mail comes from a simulator; `minuteMs` stands for the provider's minute. */
  limits(config: Config, options: { isSimulated: boolean; minuteMs: number }): QuotaLimits
  /** The source of the configured number of concurrent requests, as in "the 60 …". */
  requestsSource: string
  /** Returns the units that a run's messages would have cost one by one, less the units that the run cost; absent where the provider has no prices. */
  unitsSaved?(run: RunRecord, config: Pick<Config, 'GMAIL_QUOTA'>): number
  /** Returns whether the settings still name this label or search; absent where no such setting concerns this provider. */
  hasFilter?(finding: Finding, config: Config): boolean
  /** Returns a warning, with the reason, for each setting that is not used as it is set; the process that lists logs them. */
  warnings?(config: Config): string[]
  /** Returns which setting to unset after a mailbox is removed, so that the next `up` does not connect it again. */
  removalNote(config: Config, mailbox: MailboxId, hadGrant: boolean): string | undefined
  /** Loads the adapter, which takes long. */
  access(): Promise<ProviderAccess>
}

/** The part of a provider that makes calls. */
export interface ProviderAccess {
  /** Returns the sources of access tokens; throws `misconfigured` at once where the settings contradict each other. */
  accounts(config: Config, simUrl: string | undefined, surroundings: Surroundings): ProviderAccounts
  /** Returns the consent flow for owners; throws `misconfigured` where no OAuth client is set. */
  consent(config: Config, simUrl: string | undefined, surroundings: Surroundings): Consenting
  /** Opens a mailbox; throws `unsupported` where it needs the store and there is none. */
  open(options: OpenOptions): Mailbox
  /** Lists the mailboxes whose accounts the settings name. */
  listConfigured(config: Config, mailboxes: (mailbox: MailboxId) => Mailbox, signal: AbortSignal): Promise<MailboxId[]>
  /** Revokes an owner's grant; throws MailError with the reason where that fails or the provider does not allow it. */
  revoke(
    config: Config,
    simUrl: string | undefined,
    { secret, surroundings }: { secret: string; surroundings: Surroundings },
  ): Promise<void>
}

/** One mailbox to open: the settings, its tokens, and the store of its state. `simUrl` names a simulator that replaces the provider. */
export interface OpenOptions {
  config: Config
  simUrl: string | undefined
  mailbox: MailboxId
  account: AccessTokens
  store: Store | undefined
  surroundings: Surroundings
}

/** Access tokens of one provider's mailboxes. */
export interface ProviderAccounts {
  /** Returns tokens of an account that the settings name, which precedes a stored account; `undefined` where there is none. */
  fixed(mailbox: MailboxId): AccessTokens | undefined
  /** Returns tokens for a mailbox without a stored account; `undefined` where there are none. */
  fallback(mailbox: MailboxId): AccessTokens | undefined
  /** Renews access tokens from a stored grant. */
  renewal: Renewal
}
