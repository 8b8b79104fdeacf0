import { z } from 'zod'
import { MailError } from './error.ts'
import { faultOfFields } from './gmail-fields.ts'
import { parseMailboxId } from './mailbox.ts'
import { parseSealingKeys } from './seal.ts'
import { takeoutLabels } from './takeout-labels.ts'

/** How much of a mailbox its first sync reads: the newest `count` messages, all of them, or those of the last `days`. */
export type InitialSync = { kind: 'newest'; count: number } | { kind: 'all' } | { kind: 'days'; days: number }

const between = (low: number, high: number) => {
  const allowed = `a whole number from ${low} to ${high}`
  return z.coerce.number({ error: allowed }).int(allowed).min(low, allowed).max(high, allowed)
}

const whole = (low: number, high: number, preset: number) => between(low, high).default(preset)

const oneOf = <const T extends readonly [string, ...string[]]>(values: T, preset: T[number]) =>
  z.enum(values, { error: `one of ${values.join(', ')}` }).default(() => preset)

const url = (schemes: string[]) => {
  const allowed = `an address that begins with ${schemes.map(scheme => `${scheme}//`).join(' or ')}`
  return z
    .string()
    .refine(value => schemes.includes(URL.canParse(value) ? new URL(value).protocol : ''), allowed)
    .optional()
}

// The base of addresses at which a provider is to reach us: their paths are ours to say.
const base = (allowed: string) =>
  z
    .string()
    .refine(value => {
      if (!URL.canParse(value)) return false
      const { protocol, origin, href } = new URL(value)
      return ['https:', 'http:'].includes(protocol) && href === `${origin}/`
    }, allowed)
    .transform(value => new URL(value).origin)
    .optional()

const list = z
  .string()
  .default('')
  .transform(text => text.split(',').flatMap(word => word.trim() || []))

const initialSync = z
  .string()
  .default('100')
  .transform((text, context): InitialSync => {
    const match = /^(?:(all)|([1-9]\d{0,8})(d?))$/.exec(text)
    if (match?.[1]) return { kind: 'all' }
    if (match?.[3]) return { kind: 'days', days: Number(match[2]) }
    if (match) return { kind: 'newest', count: Number(match[2]) }
    context.addIssue('a number of newest messages (100), a number of days (30d), or all')
    return z.NEVER
  })

const sealingKeys = z
  .string()
  .default('')
  .transform((text, context) => {
    const keys = text === '' ? [] : parseSealingKeys(text)
    if (keys) return keys
    context.addIssue('32 bytes in base64, as `openssl rand -base64 32` prints, or several such keys as v2:KEY,v1:KEY')
    return z.NEVER
  })

const outlookMailboxes = list.transform((addresses, context) => {
  try {
    return addresses.map(address => parseMailboxId(`outlook:${address}`))
  } catch {
    context.addIssue('addresses such as ana@example.com,bo@example.com')
    return z.NEVER
  }
})

/** Which proxies are believed about whom they forward: so many before the gateway, or those at these addresses. */
export type TrustedProxies = { hops: number } | { ranges: string[] }

// The names that the common libraries use as well.
const RANGES: ReadonlyMap<string, string[]> = new Map([
  ['loopback', ['127.0.0.0/8', '::1/128']],
  ['private', ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7', 'fe80::/10']],
])
const MOST_HOPS = 20
const range = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()])

const trustedProxies = z
  .string()
  .default('0')
  .transform((text, context): TrustedProxies => {
    const words = text.split(',').map(word => word.trim())
    if (/^\d{1,2}$/.test(text.trim()) && Number(text) <= MOST_HOPS) return { hops: Number(text) }
    const ranges = words.flatMap(word => RANGES.get(word) ?? word)
    if (ranges.every(one => range.safeParse(one).success)) return { ranges }
    context.addIssue(
      `how many proxies are before the gateway, 0 to ${MOST_HOPS}, or their addresses, such as 10.0.0.0/8,fd00::/8, loopback or private`,
    )
    return z.NEVER
  })

const words = (preset: string) =>
  z
    .string()
    .default(preset)
    .transform(text => (text.trim() === 'none' ? [] : text.split(',').flatMap(word => word.trim() || [])))

const gmailFields = z
  .string()
  .default('id,threadId,labelIds,snippet,payload/headers,internalDate')
  .superRefine((text, context) => {
    const fault = faultOfFields(text)
    if (fault !== undefined) context.addIssue(fault)
  })

// Each setting with what is allowed; `.env.example` says what each is for.
const settings = z.object({
  NODE_ENV: z.string().optional(),
  REDIS_URL: url(['redis:', 'rediss:']),
  REDIS_PREFIX: z
    .string()
    .regex(/^[\w.-]{1,40}$/, 'up to 40 letters, digits, dots, dashes and underscores')
    .default('mailsluice'),
  REDIS_WAIT: whole(0, 86_400, 10),
  PARTITIONS: whole(1, 256, 8),
  DATA_DIR: z.string().min(1, 'a folder').default('.data'),
  SIM_URL: url(['http:', 'https:']),
  SIM_TOKEN: z
    .string()
    .regex(/^[\w.~+/=-]{16,256}$/, 'a secret of 16 to 256 letters, digits and - . _ ~ + / =')
    .optional(),
  GMAIL_CLIENT_ID: z.string().optional(),
  GMAIL_CLIENT_SECRET: z.string().optional(),
  GMAIL_REFRESH_TOKEN: z.string().optional(),
  OUTLOOK_CLIENT_ID: z.string().optional(),
  OUTLOOK_CLIENT_SECRET: z.string().optional(),
  OUTLOOK_TENANT: z
    .string()
    .regex(/^[A-Za-z\d][A-Za-z\d.-]{0,252}$/, 'the id or a domain of a tenant, or common, organizations or consumers')
    .default('common'),
  OUTLOOK_MAILBOXES: outlookMailboxes,
  OUTLOOK_PAGE_SIZE: whole(1, 1000, 50),
  OUTLOOK_MAX_PARALLEL_PAGES: whole(1, 100, 4),
  OUTLOOK_BATCH_SIZE: whole(1, 20, 20),
  MAILBOXES_KEY: sealingKeys,
  INITIAL_SYNC: initialSync,
  GMAIL_LABELS: words(''),
  SKIP_LABELS: words('SPAM,TRASH,DRAFT'),
  TAKEOUT_LABELS: takeoutLabels,
  GMAIL_QUERY: z.string().default(''),
  GMAIL_QUOTA: oneOf(['2026', 'legacy'], '2026'),
  GMAIL_QUOTA_SHARE: z.coerce
    .number({ error: 'a number from 0.05 to 1' })
    .min(0.05, 'a number from 0.05 to 1')
    .max(1, 'a number from 0.05 to 1')
    .default(1),
  GMAIL_USER_UNITS: between(100, 10_000_000).optional(),
  GMAIL_PROJECT_UNITS: whole(1000, 1_000_000_000, 1_200_000),
  GMAIL_BATCH_SIZE: whole(1, 100, 20),
  GMAIL_MAX_CONCURRENT_BATCHES: whole(1, 50, 3),
  GMAIL_FIELDS: gmailFields,
  GMAIL_PUBSUB_TOPIC: z
    .string()
    .regex(/^projects\/[^/\s]+\/topics\/[^/\s]+$/, 'a topic such as projects/my-project/topics/gmail')
    .optional(),
  GMAIL_WATCH_LABELS: list,
  GMAIL_PUSH_AUDIENCE: z.string().optional(),
  GMAIL_PUSH_SERVICE_ACCOUNT: z.email('the e-mail address of a service account').optional(),
  GMAIL_PUSH_CERTS_URL: url(['https:', 'http:']),
  OUTLOOK_NOTIFICATION_URL: base('an https address without a path, such as https://mail.example.com'),
  OUTLOOK_CLIENT_STATE: z.string().min(16, 'a secret of at least 16 characters').optional(),
  SAFETY_POLL_MINUTES: whole(0, 10_080, 30),
  PORT: z.coerce
    .number({ error: 'a port from 0 to 65535' })
    .int('a port from 0 to 65535')
    .min(0, 'a port from 0 to 65535')
    .max(65_535, 'a port from 0 to 65535')
    .optional(),
  GATEWAY_HOST: z.string().default('0.0.0.0'),
  GATEWAY_RATE_LIMIT: whole(1, 100_000_000, 60_000),
  GATEWAY_MAX_CONNECTIONS: whole(10, 100_000, 200),
  TRUSTED_PROXIES: trustedProxies,
  CACHE_MESSAGE_TTL: whole(1, 31_536_000, 3600),
  WARM_SHARE: z.coerce
    .number({ error: 'a number from 0 to 0.5' })
    .min(0, 'a number from 0 to 0.5')
    .max(0.5, 'a number from 0 to 0.5')
    .default(0),
  CACHE_SYNC_TOKEN_TTL: whole(60, 31_536_000, 86_400),
  BACKLOG_LIMIT: whole(10, 10_000_000, 2000),
  STREAM_RETENTION: whole(60, 31_536_000, 259_200),
  TASK_RETENTION: whole(60, 31_536_000, 2_592_000),
  TASK_MAX_BYTES: between(10_000, 1_000_000_000_000).optional(),
  KEEPER_INTERVAL: whole(1, 86_400, 60),
  PARKED_PROBE_MINUTES: whole(1, 10_080, 60),
  MAX_SYNC_DURATION: whole(1, 86_400, 300),
  RATE_LIMIT_BACKOFF_FACTOR: z.coerce
    .number({ error: 'a number from 1 to 10' })
    .min(1, 'a number from 1 to 10')
    .max(10, 'a number from 1 to 10')
    .default(2),
  CIRCUIT_BREAKER_FAILURE_THRESHOLD: whole(1, 1000, 5),
  MAX_ATTEMPTS: whole(1, 100, 12),
  LEASE_MS: whole(500, 3_600_000, 30_000),
  DRAIN_MS: whole(0, 3_600_000, 8000),
  TASK_TOKENS: whole(100, 10_000_000, 8000),
  PROMPT_VERSION: z.string().default('1'),
  AI_MODEL: z.string().default(''),
  LOG_LEVEL: oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], 'info'),
  RAILWAY_REPLICA_ID: z.string().optional(),
})

/** Every setting, checked and with its default; durations carry their unit in the name or, for the classic names, are seconds. */
export type Config = z.infer<typeof settings>

/** Reads the settings; throws one `misconfigured` that names every wrong variable, its value (never a secret's) and what is allowed. */
export function readConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
  const result = settings.safeParse(given)
  if (result.success) return result.data
  const faults = result.error.issues.map(issue => {
    const name = String(issue.path[0])
    const value = /SECRET|TOKEN$|URL$|KEY$|STATE$/.test(name) ? 'its value' : `"${given[name]}"`
    return `${name}: ${value} is not allowed; use ${issue.message}`
  })
  throw new MailError('misconfigured', faults.join('. '))
}

/** This process's environment with some variables changed, for processes it starts. */
export function inheritedEnvironment(changes: Record<string, string>): NodeJS.ProcessEnv {
  return { ...process.env, ...changes }
}
