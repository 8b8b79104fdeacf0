import { Writable } from 'node:stream'
import { type DestinationStream, destination, type Logger, pino } from 'pino'
import { PinoPretty } from 'pino-pretty'
import type { Config } from '../shared/config.ts'

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

/** Logs to stderr: JSON lines, or one readable line each where a person looks on. */
export function createLog(config: Pick<Config, 'LOG_LEVEL'>, name: string): Logger {
  const stream: DestinationStream = process.stderr.isTTY
    ? PinoPretty({
        destination: overProgressBar(),
        ignore: 'pid,hostname,name',
        translateTime: 'HH:MM:ss',
        singleLine: true,
      })
    : destination({ dest: 2, sync: true })
  return pino({ name, level: config.LOG_LEVEL, base: { name }, redact: REDACT }, stream)
}

// A progress bar may stand on the line: it is drawn anew below.
function overProgressBar(): Writable {
  return new Writable({
    write(text, _, done) {
      process.stderr.write(`\r\u001b[K${text}`)
      done()
    },
  })
}
