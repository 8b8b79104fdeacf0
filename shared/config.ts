import { z } from 'zod'
import { MailError } from './error.ts'
import { AI_SETTINGS, lacksOf } from './settings/ai.ts'
import { defaultFields, faultOfBodyFields } from './settings/gmail-fields.ts'
import {
  base,
  between,
  certificates,
  choice,
  decimal,
  flag,
  gmailFields,
  initialSync,
  list,
  oneOf,
  outlookMailboxes,
  proxy,
  redisUrl,
  sealingKeys,
  timeZone,
  unspaced,
  url,
  whole,
  words,
} from './settings/kinds.ts'
import { type Misspelt, misspeltIn } from './settings/misspelt.ts'
import { isProxyVariable, proxyVariables } from './settings/proxies.ts'
import { takeoutLabels } from './settings/takeout-labels.ts'
import { markIn, shown, type TextKind, trimmed } from './settings/text.ts'
import { trustedProxies } from './settings/trusted-proxies.ts'

// Each setting with its allowed values; `.env.example` says what each is for.
const settings = z.object({
  NODE_ENV: z
    .string()
    .transform(text => (/^prod(uction)?$/i.test(text) ? 'production' : text))
    .optional(),
  REDIS_URL: redisUrl,
  REDIS_TLS_CA: certificates,
  REDIS_TLS_INSECURE: flag,
  REDIS_PREFIX: z
    .string()
    .regex(/^[\w.-]{1,40}$/, 'up to 40 letters, digits, dots, dashes and underscores')
    .default('mailsluice'),
  REDIS_WAIT: whole(0, 86_400, 10),
  PARTITIONS: whole(1, 256, 8),
  // Only a shell expands a tilde.
  DATA_DIR: z
    .string()
    .regex(/^(?!~)/, 'a folder, with the home folder written in full')
    .default('.data'),
  SIM_URL: base('the address of a simulator without a path, such as http://127.0.0.1:8025'),
  SIM_TOKEN: z
    .string()
    .regex(/^[\w.~+/=-]{16,256}$/, 'a secret of 16 to 256 letters, digits and - . _ ~ + / =')
    .optional(),
  GMAIL_CLIENT_ID: unspaced('the id of one client, without white space in it').optional(),
  GMAIL_CLIENT_SECRET: unspaced('one secret, without white space in it').optional(),
  GMAIL_REFRESH_TOKEN: unspaced('one token, without white space in it').optional(),
  OUTLOOK_CLIENT_ID: unspaced('the id of one client, without white space in it').optional(),
  OUTLOOK_CLIENT_SECRET: unspaced('one secret, without white space in it').optional(),
  OUTLOOK_TENANT: z
    .string()
    .regex(/^[A-Za-z\d][A-Za-z\d.-]{0,252}$/, 'the id or a domain of a tenant, or common, organizations or consumers')
    .default('common'),
  OUTLOOK_MAILBOXES: outlookMailboxes,
  OUTLOOK_PAGE_SIZE: whole(1, 1000, 50),
  OUTLOOK_MAX_PARALLEL_PAGES: whole(1, 100, 4),
  OUTLOOK_BATCH_SIZE: between(1, 20).optional(),
  OUTLOOK_MAX_CONCURRENT_BATCHES: between(1, 50).optional(),
  OUTLOOK_HEADERS: oneOf(['on', 'off'], 'on'),
  MAILBOXES_KEY: sealingKeys,
  INITIAL_SYNC: initialSync,
  GMAIL_LABELS: words(''),
  SKIP_LABELS: words('SPAM,TRASH,DRAFT'),
  TAKEOUT_LABELS: takeoutLabels,
  GMAIL_QUERY: z.string().default(''),
  GMAIL_QUOTA: oneOf(['2026', 'legacy'], '2026'),
  GMAIL_QUOTA_SHARE: decimal(0.05, 1, 1),
  GMAIL_USER_UNITS: between(100, 10_000_000).optional(),
  GMAIL_PROJECT_UNITS: whole(1000, 1_000_000_000, 1_200_000),
  GMAIL_BATCH_SIZE: between(1, 100).optional(),
  GMAIL_MAX_CONCURRENT_BATCHES: between(1, 50).optional(),
  GMAIL_FIELDS: gmailFields,
  MESSAGE_BODY: choice(['snippet', 'text']).optional(),
  GMAIL_PUBSUB_TOPIC: z
    .string()
    .regex(/^projects\/[^/\s]+\/topics\/[^/\s]+$/, 'a topic such as projects/my-project/topics/gmail')
    .optional(),
  GMAIL_WATCH_LABELS: list,
  GMAIL_PUSH_AUDIENCE: unspaced('one audience, without white space in it').optional(),
  GMAIL_PUSH_SERVICE_ACCOUNT: z.email('the e-mail address of a service account').optional(),
  GMAIL_PUSH_CERTS_URL: url(['https:', 'http:']),
  OUTLOOK_NOTIFICATION_URL: base('an https address without a path, such as https://mail.example.com'),
  OUTLOOK_CLIENT_STATE: z.string().min(16, 'a secret of at least 16 characters').optional(),
  SAFETY_POLL_MINUTES: whole(0, 10_080, 30),
  PORT: between(0, 65_535, 'a port from 0 to 65535').optional(),
  GATEWAY_HOST: z
    .string()
    .regex(/^(?![^:]*:\d*$)[\w.:%-]+$/, 'an address of this machine, without a port, such as 127.0.0.1 or ::')
    .default('0.0.0.0'),
  GATEWAY_RATE_LIMIT: whole(1, 100_000_000, 60_000),
  GATEWAY_MAX_CONNECTIONS: whole(10, 100_000, 200),
  TRUSTED_PROXIES: trustedProxies,
  FETCH_BATCH_SIZE: whole(1, 100, 20),
  FETCH_CONCURRENCY: whole(1, 50, 3),
  CACHE_MESSAGE_TTL: whole(1, 31_536_000, 3600),
  WARM_SHARE: decimal(0, 0.5, 0),
  CACHE_SYNC_TOKEN_TTL: whole(60, 31_536_000, 86_400),
  BACKLOG_LIMIT: whole(10, 10_000_000, 2000),
  STREAM_RETENTION: whole(60, 31_536_000, 259_200),
  TASK_RETENTION: whole(60, 31_536_000, 2_592_000),
  TASK_MAX_BYTES: between(10_000, 1_000_000_000_000).optional(),
  KEEPER_INTERVAL: whole(1, 86_400, 60),
  PARKED_PROBE_MINUTES: whole(1, 10_080, 60),
  MAX_SYNC_DURATION: whole(1, 86_400, 300),
  RATE_LIMIT_BACKOFF_FACTOR: decimal(1, 10, 2),
  CIRCUIT_BREAKER_FAILURE_THRESHOLD: whole(1, 1000, 5),
  MAX_ATTEMPTS: whole(1, 100, 12),
  LEASE_MS: whole(500, 3_600_000, 30_000),
  DRAIN_MS: whole(0, 3_600_000, 8000),
  ...AI_SETTINGS,
  TIME_ZONE: timeZone,
  LOG_LEVEL: oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], 'info'),
  RAILWAY_REPLICA_ID: z.string().optional(),
  HTTPS_PROXY: proxy,
  HTTP_PROXY: proxy,
  ALL_PROXY: proxy,
  NO_PROXY: z
    .string()
    .regex(/^(?!.*(?:[;；，、]|:\/\/))/, 'commas between the names, which have neither scheme nor path')
    .optional(),
})

const BOTH =
  'one of SIM_URL and GMAIL_REFRESH_TOKEN, because a simulator must never receive a real token: unset SIM_URL to read real mail, or GMAIL_REFRESH_TOKEN to read simulated mail'

// Graph takes no larger batch (learn.microsoft.com/graph/json-batching#batch-size-limitations).
const LARGEST_GRAPH_BATCH = 20

// Rules that involve several settings.
const settled = settings.superRefine((given, context) => {
  const { REDIS_URL = 'rediss:', REDIS_TLS_CA, REDIS_TLS_INSECURE, SIM_URL, GMAIL_REFRESH_TOKEN } = given
  const refuse = (name: string, message: string) => context.addIssue({ code: 'custom', path: [name], message })
  for (const [name, remedy] of lacksOf(given)) refuse(name, remedy)
  const fields = given.GMAIL_FIELDS ?? defaultFields('text')
  const lacking = bodyOf(given) === 'text' ? faultOfBodyFields(fields) : undefined
  if (lacking !== undefined) refuse('GMAIL_FIELDS', lacking)
  if (SIM_URL !== undefined && GMAIL_REFRESH_TOKEN !== undefined) refuse('SIM_URL', BOTH)
  if (!URL.canParse(REDIS_URL) || new URL(REDIS_URL).protocol === 'rediss:') return
  const withoutTls = 'it with a REDIS_URL that begins with rediss://, because it has no effect without TLS'
  if (REDIS_TLS_CA !== undefined) refuse('REDIS_TLS_CA', withoutTls)
  if (REDIS_TLS_INSECURE) refuse('REDIS_TLS_INSECURE', withoutTls)
})

// A provider without a batch size or concurrency of its own takes the one for all providers.
const complete = settled.transform(given => {
  const { FETCH_BATCH_SIZE: batchSize, FETCH_CONCURRENCY: concurrency } = given
  const body = bodyOf(given)
  return {
    ...given,
    MESSAGE_BODY: body,
    GMAIL_FIELDS: given.GMAIL_FIELDS ?? defaultFields(body),
    GMAIL_BATCH_SIZE: given.GMAIL_BATCH_SIZE ?? batchSize,
    GMAIL_MAX_CONCURRENT_BATCHES: given.GMAIL_MAX_CONCURRENT_BATCHES ?? concurrency,
    OUTLOOK_BATCH_SIZE: given.OUTLOOK_BATCH_SIZE ?? Math.min(batchSize, LARGEST_GRAPH_BATCH),
    OUTLOOK_MAX_CONCURRENT_BATCHES: given.OUTLOOK_MAX_CONCURRENT_BATCHES ?? concurrency,
  }
})

// Previews say too little for a model that is called; workers of one's own may want no more.
function bodyOf({ MESSAGE_BODY, AI_SINK }: Pick<z.infer<typeof settings>, 'MESSAGE_BODY' | 'AI_SINK'>) {
  return MESSAGE_BODY ?? (AI_SINK === 'stream' ? 'snippet' : 'text')
}

export type { InitialSync } from './settings/kinds.ts'

/** Every setting, checked and with its default. Durations carry their unit in the name; those with classic names are in seconds. */
export type Config = z.infer<typeof complete>

const KINDS: ReadonlyMap<string, TextKind> = new Map([
  ['GMAIL_LABELS', 'list'],
  ['SKIP_LABELS', 'list'],
  ['GMAIL_WATCH_LABELS', 'list'],
  ['OUTLOOK_MAILBOXES', 'list'],
  ['NO_PROXY', 'list'],
  ['AI_MODEL', 'list'],
  ['WEBHOOK_SECRET', 'list'],
  ['TAKEOUT_LABELS', 'list'],
  ['TRUSTED_PROXIES', 'list'],
  ['GMAIL_FIELDS', 'list'],
  ['GMAIL_QUERY', 'search'],
  ['REDIS_TLS_CA', 'lines'],
])
const NAMES = Object.keys(settings.shape)

/**
 * Reads the settings without the white space around them; a blank value counts as not set. Throws one `misconfigured` that names every
 * wrong variable, its value (never a secret's) and the allowed values.
 */
export function readConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  const all: NodeJS.ProcessEnv = { ...environment, ...proxyVariables(environment) }
  const texts = new Map(NAMES.map(name => [name, trimmed(all[name] ?? '')]))
  const marks = new Map(NAMES.map(name => [name, markIn(texts.get(name) ?? '', name, KINDS.get(name))]))
  const given = [...texts].filter(([name, text]) => text !== '' && marks.get(name) === undefined)
  const result = complete.safeParse(Object.fromEntries(given))
  const faults = [
    ...[...marks].flatMap(([name, mark]) => (mark === undefined ? [] : [{ name, message: mark }])),
    ...(result.error?.issues ?? []).map(({ path, message }) => ({ name: String(path[0]), message })),
  ]
  if (result.success && faults.length === 0) return result.data
  const reported = faults.map(({ name, message }) => {
    const isSecret = /SECRET|TOKEN$|URL$|KEY$|STATE$|CA$|PROXY$/.test(name)
    if (texts.get(name) === '') return `${name} is not set; set it to ${message}`
    return `${name}: ${isSecret ? 'its value' : shown(texts.get(name) ?? '')} is not allowed; use ${message}`
  })
  throw new MailError('misconfigured', reported.join('. '))
}

/** Returns environment variables that are no settings but look like misspelt ones. */
export function misspeltSettings(environment: NodeJS.ProcessEnv = process.env): Misspelt[] {
  const others = Object.keys(environment).filter(name => !isProxyVariable(name))
  return misspeltIn(others, NAMES)
}

/** Returns this process's environment with some variables changed, for processes it starts. */
export function inheritedEnvironment(changes: Record<string, string>): NodeJS.ProcessEnv {
  return { ...process.env, ...changes }
}
