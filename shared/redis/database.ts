import { MailError } from '../error.ts'
import { placeOf } from './place.ts'

/** Whether an error is a refused SELECT: what follows on that connection would go to database 0. */
export function isSelectRefused(error: unknown): error is Error {
  if (!(error instanceof Error) || error.name !== 'ReplyError') return false
  return (error as { command?: { name?: string } }).command?.name === 'select'
}

/** The number of the database that an address names; 0 where it names none. */
export function databaseOf(url: string): number {
  return Number(new URL(url).pathname.slice(1))
}

/** What is said where a server does not have the database of an address. */
export function noDatabase(url: string, cause: Error): MailError {
  const wanted = `database ${databaseOf(url)}`
  return new MailError(
    'misconfigured',
    `The Redis at ${placeOf(url)} has no ${wanted} (${cause.message.slice(0, 200)}): take a number below its \`databases\`, or none, in REDIS_URL`,
    { cause },
  )
}
