import { type Logger, pino } from 'pino'
import { prettyFactory } from 'pino-pretty'
import type { Config } from '../../shared/config.ts'
import { printable, printableLine, type Terminal } from './terminal.ts'

// No message contains a secret; a secret that arrives as a field is still not written.
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

/** The part of a terminal that a log writes to. */
type Lines = Pick<Terminal, 'screen' | 'err' | 'errAboveBar'>

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>

/** Creates a log on the terminal's stderr: JSON lines, or readable lines on a terminal. Control characters from outside are escaped. */
export function createLog(config: Pick<Config, 'LOG_LEVEL'>, name: string, terminal: Lines): Logger {
  const { screen, err, errAboveBar } = terminal
  const pretty = screen.isTTY ? prettyLines() : undefined
  // pino ends each line itself.
  const write = pretty ? (line: string) => errAboveBar(pretty(line)) : (line: string) => err(line.trimEnd())
  return pino({ name, level: config.LOG_LEVEL, base: { name }, redact: REDACT }, { write })
}

/** Returns a formatter that makes pino's JSON lines readable, in colour where the terminal has it; quoted text is escaped first. */
export function prettyLines(): (line: string) => string {
  const pretty = prettyFactory({ ignore: 'pid,hostname,name', translateTime: 'HH:MM:ss', singleLine: true })
  return line => {
    const { msg, ...fields } = JSON.parse(line) as Record<string, unknown>
    // A second line could pass for another log entry.
    return pretty({ ...(safe(fields) as object), ...(typeof msg === 'string' ? { msg: printableLine(msg) } : {}) })
  }
}

function safe(value: unknown): unknown {
  if (typeof value === 'string') return printable(value)
  if (Array.isArray(value)) return value.map(safe)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [printable(key), safe(inner)]))
}
