import { MailError } from '../error.ts'
import type { HostRefusal } from './client.ts'
import { PARAMETERS, type Parameter } from './request.ts'

/** What a refusal means: the mail is not answered at all, a parameter is unknown here, or the request fails. */
export type Verdict =
  | { meaning: 'filtered' }
  | { meaning: 'parameter'; parameter: Parameter }
  /** `isOfModel`: another model may answer. */
  | { meaning: 'failed'; error: MailError; isOfModel: boolean }

const FILTERED = /^(?:content_filter|content_policy_violation|content_blocked|invalid_prompt)$/
const NO_MONEY = /insufficient_quota|insufficient_balance|billing|credit/i
const OVERLOADED = /overloaded|capacity|resource_unavailable|server_busy|engine/i
const TOO_LONG = /context_length|context length|context window|maximum context|too many tokens|too long|max_prompt/i
const NO_MODEL =
  /model_not_found|unknown_model|no such model|\bmodel\b.{0,200}\b(?:not found|not exist|no access|not have access|not supported|decommissioned)/is
const UNSUPPORTED = /unsupported|unknown|unrecognized|unexpected|not supported|not permitted|not allowed|extra/i
const SCHEMA = /response_format|json_schema|\bschema\b/i
const TIER = /service_tier|flex/i

/** Decides what a refusal means. The error names the model, the status and the code, and how to mend it; it quotes nothing of the host. */
export function verdictOn(
  refusal: HostRefusal,
  { model, tried }: { model: string; tried: readonly Parameter[] },
): Verdict {
  const { status } = refusal
  const all = `${refusal.code} ${refusal.type} ${refusal.param} ${refusal.message}`
  const failed = (kind: MailError['kind'], remedy: string, isOfModel: boolean): Verdict => ({
    meaning: 'failed',
    isOfModel,
    error: new MailError(kind, `the host answered ${namedAs(refusal)} for the model ${model}: ${remedy}`, {
      ...(refusal.retryAfterMs === undefined ? {} : { retryAfterMs: refusal.retryAfterMs }),
    }),
  })
  if (status === 401 || status === 407)
    return failed('misconfigured', 'the key is refused; check OPENAI_API_KEY', false)
  if (status === 402 || (status === 429 && NO_MONEY.test(all)))
    return failed('misconfigured', 'the account has no credit left; add some, or raise its limit', false)
  if (status === 429) return failed('throttled', 'waiting', OVERLOADED.test(all) || refusal.message.includes(model))
  if (status === 408 || status >= 500) return failed('unavailable', 'trying again later', true)
  if (status === 409 || status === 425) return failed('unavailable', 'trying again later', false)
  if (status < 400) return failed('misconfigured', 'it redirects; set OPENAI_BASE_URL to the final address', false)
  if (FILTERED.test(refusal.code)) return { meaning: 'filtered' }
  if (status === 413 || TOO_LONG.test(all))
    return failed('rejected', 'the task is too long for it; lower TASK_TOKENS, or choose another model', true)
  const parameter = PARAMETERS.find(name => isRefused(name, refusal) && !tried.includes(name))
  if (parameter !== undefined) return { meaning: 'parameter', parameter }
  if (PARAMETERS.some(name => refusal.param === name))
    return failed('misconfigured', 'it refuses the output limit; lower AI_OUTPUT_TOKENS', true)
  if (NO_MODEL.test(all))
    return failed('misconfigured', 'it does not offer this model to this key; check AI_MODEL', true)
  if (status === 403) return failed('misconfigured', 'access is denied; check the rights of OPENAI_API_KEY', false)
  if (status === 404 || status === 405)
    return failed('misconfigured', 'there is no chat API at this address; check OPENAI_BASE_URL', false)
  if (TIER.test(all)) return failed('misconfigured', 'the model has no flex lane; set AI_BULK to now', true)
  if (SCHEMA.test(`${refusal.code} ${refusal.param}`) || (UNSUPPORTED.test(all) && SCHEMA.test(all)))
    return failed(
      'misconfigured',
      'it refuses the schema of the answer; check AI_SCHEMA_FILE, or choose another model',
      true,
    )
  return failed('rejected', 'the request is refused', false)
}

/** Returns whether a refused request cost nothing for sure. A host that fails midway may still charge for it. */
export function isFree({ status }: HostRefusal): boolean {
  return (status < 500 && status !== 408) || status === 503 || status === 529
}

/** Returns the failure that is most likely to pass: a wait, then an outage, then a task that no model takes. */
export function mostHopeful(failures: readonly MailError[]): MailError {
  const kinds = ['throttled', 'unavailable', 'rejected']
  const found = kinds.flatMap(kind => failures.filter(failure => failure.kind === kind))[0] ?? failures[0]
  return found ?? new MailError('misconfigured', 'no model is set; set AI_MODEL')
}

function isRefused(parameter: Parameter, { code, type, param, message }: HostRefusal): boolean {
  if (!UNSUPPORTED.test(`${code} ${type} ${message}`)) return false
  return param === '' ? message.includes(parameter) : param === parameter
}

// Codes are identifiers; anything else might quote the request.
function namedAs({ status, code, type }: HostRefusal): string {
  const name = [code, type].find(one => /^[A-Za-z_]{1,64}$/.test(one))
  return name === undefined ? `HTTP ${status}` : `HTTP ${status} (${name})`
}
