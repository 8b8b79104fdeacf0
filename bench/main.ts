import { parseArgs } from 'node:util'
import { abortOnSignals } from '../pipeline/base/lifecycle.ts'
import { measureAi } from './ai.ts'
import { CHAOS_KINDS } from './chaos/plan.ts'
import { runChaos } from './chaos.ts'
import { measureGateway } from './gateway.ts'
import { measureMany, PARTS } from './many.ts'
import { measureQuota } from './quota.ts'
import { type Comparison, compareSync } from './sync.ts'
import { terminal } from './terminal.ts'
import { measureText } from './text.ts'

const { err, out } = terminal
const PROFILES = ['live', 'seed'] as const
const SYNC_USE = 'sync [--json] [--profile live] [--profile seed]'
const CHAOS_USE = 'chaos [--mailboxes N] [--seconds N] [--seed S] [--without KIND]… [--json]'
const QUOTA_USE = 'quota [--messages N] [--json]'
const MANY_USE =
  'many [--mailboxes N] [--messages N] [--fetchers K] [--one-partition] [--kill] [--profile live|instant] [--only many|live|sick|faults] [--json]'
const GATEWAY_USE = 'gateway [--seconds N] [--connections N] [--json]'
const AI_USE = 'ai [--minutes N] [--json]'
const TEXT_USE = 'text [--mbox FILE] [--json]'
const MANY_PROFILES = ['live', 'instant'] as const
const MAX_MAILBOXES = 10_000
const CHAOS_MAILBOXES = { least: 2, most: 200 }
const MAX_FETCHERS = 32
const MAX_SECONDS = 86_400
const GATEWAY_BENCH = { seconds: { least: 1, most: 30 }, connections: { least: 10, most: 200 } }
const MAX_MESSAGES = 100_000
// Five thousand messages take about ten simulated minutes and less than two real ones. Delays do not scale with simulated minutes: at twice
// this speed, the second by which a delayed batch may be late is a fifth of a minute.
const QUOTA_BENCH = { speed: 6, fetchers: 4 }
const WELL_USED = { used: 0.97, refusedShare: 0.01 }
// The host counts a request when it arrives, which is a little later than it was reserved, and not always as much.
const LATE = 1.02
// Each run is bound by one of the limits.
const AI_RUNS = [
  { name: 'requests', requestsPerMinute: 600, tokensPerMinute: 10_000_000, budgetUsd: 100 },
  { name: 'tokens', requestsPerMinute: 10_000, tokensPerMinute: 400_000, budgetUsd: 100 },
  { name: 'budget', requestsPerMinute: 600, tokensPerMinute: 10_000_000, budgetUsd: 0.2 },
] as const

const MAX_SEED = 2 ** 32 - 1

const [command = '', ...words] = process.argv.slice(2)
if (command === 'sync') await sync()
else if (command === 'quota') await quota()
else if (command === 'chaos') await chaos()
else if (command === 'many') await many()
else if (command === 'gateway') await gateway()
else if (command === 'text') await text()
else if (command === 'ai') await ai()
else wrongUse([SYNC_USE, QUOTA_USE, CHAOS_USE, MANY_USE, GATEWAY_USE, TEXT_USE, AI_USE].join(', or '))
process.exit()

async function sync(): Promise<void> {
  const { values } = parsed(SYNC_USE, () =>
    parseArgs({
      args: words,
      options: { json: { type: 'boolean', default: false }, profile: { type: 'string', multiple: true } },
    }),
  )
  const profiles = PROFILES.filter(name => values.profile === undefined || values.profile.includes(name))
  if (profiles.length === 0) wrongUse(SYNC_USE)
  const results: Record<string, Comparison> = {}
  for (const profile of profiles) {
    const result = await compareSync(profile)
    results[profile] = result
    const { n1Calls, n1Seconds, oursCalls, oursSeconds, ratio, criticalPathSeconds } = result
    out(
      `50 messages, profile ${profile}:  one by one ${n1Calls} calls, ${n1Seconds.toFixed(2)} s;  mailsluice ${oursCalls} calls, ${oursSeconds.toFixed(2)} s ` +
        `(provider alone ${criticalPathSeconds.toFixed(2)} s);  ${ratio.toFixed(1)} times as fast`,
    )
  }
  if (values.json) out(JSON.stringify(results))
}

async function quota(): Promise<void> {
  const { values } = parsed(QUOTA_USE, () =>
    parseArgs({
      args: words,
      options: { json: { type: 'boolean', default: false }, messages: { type: 'string', default: '5000' } },
    }),
  )
  const messages = wholeNumber('--messages', values.messages, { least: 1200, most: MAX_MESSAGES, use: QUOTA_USE })
  const result = await measureQuota({ ...QUOTA_BENCH, messages }).catch(failed)
  const { read, dead, units, minutes, used, requests, refused, worstMinute } = result
  out(
    `${read} of ${messages} messages, ${units} units in ${minutes.toFixed(1)} minutes of 6000 units: ${(used * 100).toFixed(1)} % used, ` +
      `${worstMinute} in the worst minute; ${refused} of ${requests} requests refused, ${dead} dead`,
  )
  if (values.json) out(JSON.stringify(result))
  const isWell =
    used >= WELL_USED.used && result.refusedShare < WELL_USED.refusedShare && dead === 0 && read === messages
  if (!isWell) process.exitCode = 1
}

async function ai(): Promise<void> {
  const { values } = parsed(AI_USE, () =>
    parseArgs({
      args: words,
      options: { json: { type: 'boolean', default: false }, minutes: { type: 'string', default: '3' } },
    }),
  )
  const minutes = wholeNumber('--minutes', values.minutes, { least: 1, most: 60, use: AI_USE })
  for (const { name, ...limits } of AI_RUNS) {
    const use = await measureAi({ ...limits, minutes, dispatchers: 4 }).catch(failed)
    const { requests, tokens, requestsUsed, tokensUsed, worstRequests, worstTokens, spentUsd, overspentUsd, repeats } =
      use
    out(
      `bound by ${name}: ${requests} requests (${percent(requestsUsed)} of the limit, ${worstRequests} in the worst minute), ` +
        `${tokens} tokens (${percent(tokensUsed)}, ${worstTokens}), $${spentUsd.toFixed(4)} of $${limits.budgetUsd}; ` +
        `$${overspentUsd.toFixed(4)} overspent, ${repeats} repeats`,
    )
    if (values.json) out(JSON.stringify({ name, ...use }))
    const used = name === 'requests' ? requestsUsed : name === 'tokens' ? tokensUsed : spentUsd / limits.budgetUsd
    const isWithin = worstRequests <= limits.requestsPerMinute * LATE && worstTokens <= limits.tokensPerMinute * LATE
    if (used < WELL_USED.used || overspentUsd > 0 || repeats > 0 || !isWithin) process.exitCode = 1
  }
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}

async function chaos(): Promise<void> {
  const { values } = parsed(CHAOS_USE, () =>
    parseArgs({
      args: words,
      options: {
        json: { type: 'boolean', default: false },
        mailboxes: { type: 'string', default: '30' },
        seconds: { type: 'string', default: '30' },
        seed: { type: 'string', default: '1' },
        without: { type: 'string', multiple: true, default: [] },
      },
    }),
  )
  const without = CHAOS_KINDS.filter(kind => values.without.includes(kind))
  if (without.length < values.without.length || without.length === CHAOS_KINDS.length) {
    err(`--without takes some, but not all, of these kinds of faults: ${CHAOS_KINDS.join(', ')}`)
    wrongUse(CHAOS_USE)
  }
  const mailboxes = wholeNumber('--mailboxes', values.mailboxes, CHAOS_MAILBOXES)
  const seconds = wholeNumber('--seconds', values.seconds, { least: 1, most: MAX_SECONDS })
  const seed = wholeNumber('--seed', values.seed, { least: 0, most: MAX_SEED })
  const say = values.json ? () => undefined : err
  const result = await runChaos({ mailboxes, seconds, seed, without, say, signal: abortOnSignals(err) }).catch(failed)
  out(values.json ? JSON.stringify(result) : JSON.stringify(result, null, 2))
  if (!result.ok) process.exitCode = 1
}

async function many(): Promise<void> {
  const { values } = parsed(MANY_USE, () =>
    parseArgs({
      args: words,
      options: {
        json: { type: 'boolean', default: false },
        mailboxes: { type: 'string', default: '100' },
        messages: { type: 'string', default: '50' },
        fetchers: { type: 'string', default: '1' },
        'one-partition': { type: 'boolean', default: false },
        kill: { type: 'boolean', default: false },
        profile: { type: 'string', default: 'live' },
        only: { type: 'string' },
      },
    }),
  )
  const number = (name: 'mailboxes' | 'messages' | 'fetchers', most: number) =>
    wholeNumber(`--${name}`, values[name], { least: 1, most, use: MANY_USE })
  const fetchers = number('fetchers', MAX_FETCHERS)
  if (values.kill && fetchers === 1) wrongUse(`${MANY_USE}; --kill needs at least two fetchers: --fetchers 2 or more`)
  const result = await measureMany({
    mailboxes: number('mailboxes', MAX_MAILBOXES),
    messages: number('messages', MAX_MESSAGES),
    fetchers,
    profile: oneOf(MANY_PROFILES, values.profile, MANY_USE),
    onePartition: values['one-partition'],
    kill: values.kill,
    only: values.only === undefined ? undefined : oneOf(PARTS, values.only, MANY_USE),
    say: out,
    signal: abortOnSignals(err),
  }).catch(failed)
  if (values.json) out(JSON.stringify(result))
}

async function gateway(): Promise<void> {
  const { values } = parsed(GATEWAY_USE, () =>
    parseArgs({
      args: words,
      options: {
        json: { type: 'boolean', default: false },
        seconds: { type: 'string', default: '20' },
        connections: { type: 'string', default: '50' },
      },
    }),
  )
  const number = (name: 'seconds' | 'connections') =>
    wholeNumber(`--${name}`, values[name], { ...GATEWAY_BENCH[name], use: GATEWAY_USE })
  const result = await measureGateway({
    seconds: number('seconds'),
    connections: number('connections'),
    say: out,
    signal: abortOnSignals(err),
  }).catch(failed)
  if (values.json) out(JSON.stringify(result))
}

async function text(): Promise<void> {
  const { values } = parsed(TEXT_USE, () =>
    parseArgs({ args: words, options: { json: { type: 'boolean', default: false }, mbox: { type: 'string' } } }),
  )
  const result = await measureText({ mbox: values.mbox, say: out }).catch(failed)
  if (values.json) out(JSON.stringify(result))
  if (!result.ok) process.exitCode = 1
}

function oneOf<Word extends string>(allowed: readonly Word[], text: string, use: string): Word {
  return allowed.find(word => word === text) ?? wrongUse(use)
}

function parsed<T>(use: string, parse: () => T): T {
  try {
    return parse()
  } catch {
    return wrongUse(use)
  }
}

function wholeNumber(
  name: string,
  text: string,
  { least, most, use = CHAOS_USE }: { least: number; most: number; use?: string },
): number {
  const number = Number(text)
  if (/^\d+$/.test(text) && number >= least && number <= most) return number
  return wrongUse(`${use}; ${name} is a whole number from ${least} to ${most}`)
}

function failed(error: Error): never {
  err(error.message)
  process.exit(1)
}

function wrongUse(use: string): never {
  err(`Use: npm run bench -- ${use}`)
  process.exit(2)
}
