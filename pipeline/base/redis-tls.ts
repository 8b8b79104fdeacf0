import { readFileSync } from 'node:fs'
import type { Config } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import type { RedisTls } from '../../shared/redis/tls.ts'

/** How the settings have the certificate of Redis looked at; `undefined` where they leave it to Node. Throws `misconfigured` for a file that cannot be read. */
export function redisTls({ REDIS_TLS_CA, REDIS_TLS_INSECURE: insecure }: Config): RedisTls | undefined {
  if (REDIS_TLS_CA === undefined) return insecure ? { insecure } : undefined
  return { ca: REDIS_TLS_CA.includes('\n') ? REDIS_TLS_CA : readPem(REDIS_TLS_CA), insecure }
}

function readPem(file: string): string {
  const pem = read(file)
  if (pem.includes('-----BEGIN ')) return pem
  throw new MailError('misconfigured', `REDIS_TLS_CA: ${file} holds no certificate in PEM`)
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const { code = 'it cannot be read' } = error as NodeJS.ErrnoException
    throw new MailError('misconfigured', `REDIS_TLS_CA: there is no file ${file} to read (${code})`, { cause: error })
  }
}
