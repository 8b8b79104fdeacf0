import { MailError } from '../error.ts'
import { placeOf } from './place.ts'

/** Returns whether an error is a refused SELECT; later commands on that connection would reach database 0. */
export function isSelectRefused(error: unknown): error is Error {
  if (!(error instanceof Error) || error.name !== 'ReplyError') return false
  return (error as { command?: { name?: string } }).command?.name === 'select'
}

/** Returns the database number in an address; 0 where it names none. */
export function databaseOf(url: string): number {
  return Number(new URL(url).pathname.slice(1))
}

/** Returns the error for a server without the address's database. */
export function noDatabase(url: string, cause: Error): MailError {
  const wanted = `database ${databaseOf(url)}`
  return new MailError(
    'misconfigured',
    `The Redis at ${placeOf(url)} has no ${wanted} (${cause.message.slice(0, 200)}): set a number below its \`databases\` in REDIS_URL, or none`,
    { cause },
  )
}
