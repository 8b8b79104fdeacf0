import { readFileSync } from 'node:fs'
import type { Config } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import type { RedisTls } from '../../shared/redis/tls.ts'

/** Returns how to verify the certificate of Redis; `undefined` for Node's defaults. Throws `misconfigured` for an unreadable file. */
export function redisTls({ REDIS_TLS_CA, REDIS_TLS_INSECURE: insecure }: Config): RedisTls | undefined {
  if (REDIS_TLS_CA === undefined) return insecure ? { insecure } : undefined
  return { ca: REDIS_TLS_CA.includes('\n') ? REDIS_TLS_CA : readPem(REDIS_TLS_CA), insecure }
}

function readPem(file: string): string {
  const pem = read(file)
  if (pem.includes('-----BEGIN ')) return pem
  throw new MailError('misconfigured', `REDIS_TLS_CA: ${file} contains no PEM certificate; set the path of a PEM file`)
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException
    throw new MailError(
      'misconfigured',
      `REDIS_TLS_CA: cannot read ${file} (${code}); set the path of a readable PEM file`,
      { cause: error },
    )
  }
}
