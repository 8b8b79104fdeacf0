import { type Logger, pino } from 'pino'
import { prettyFactory } from 'pino-pretty'
import type { Config } from '../../shared/config.ts'
import { err, errAboveBar, printable, printableLine, screen } from './terminal.ts'

// No message holds a secret; should one ever come as a field, it is not written down.
const SECRET_FIELDS = [
  'token',
  'secret',
  'accessToken',
  'refreshToken',
  'access_token',
  'refresh_token',
  'clientSecret',
  'client_secret',
  'authorization',
]
const REDACT = { paths: SECRET_FIELDS.flatMap(name => [name, `*.${name}`, `*.*.${name}`]), censor: '[secret]' }

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>

/** Logs to stderr: JSON lines, or one readable line each where a person looks on. No control character of a stranger gets through. */
export function createLog(config: Pick<Config, 'LOG_LEVEL'>, name: string): Logger {
  const pretty = screen.isTTY ? prettyLines() : undefined
  // pino ends each line itself.
  const write = pretty ? (line: string) => errAboveBar(pretty(line)) : (line: string) => err(line.trimEnd())
  return pino({ name, level: config.LOG_LEVEL, base: { name }, redact: REDACT }, { write })
}

/** Makes pino's JSON lines readable, with their colours where the terminal has some; what they quote is escaped before. */
export function prettyLines(): (line: string) => string {
  const pretty = prettyFactory({ ignore: 'pid,hostname,name', translateTime: 'HH:MM:ss', singleLine: true })
  return line => {
    const { msg, ...fields } = JSON.parse(line) as Record<string, unknown>
    // A message is one line: a second one could pass for another entry.
    return pretty({ ...(safe(fields) as object), ...(typeof msg === 'string' ? { msg: printableLine(msg) } : {}) })
  }
}

function safe(value: unknown): unknown {
  if (typeof value === 'string') return printable(value)
  if (Array.isArray(value)) return value.map(safe)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [printable(key), safe(inner)]))
}
