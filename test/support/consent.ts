import { randomBytes } from 'node:crypto'
import type { Provider } from '../../shared/mailbox.ts'
import { consentPageIn } from './consent-page.ts'
import { type Finished, inTurn, type Process, start } from './processes.ts'
import { until } from './until.ts'

/** A key that seals accounts. */
export function sealingKey(): string {
  return randomBytes(32).toString('base64')
}

/** A running `mailsluice connect` that waits for consent at `url`. */
export interface Connecting extends Process {
  url: string
  /** Consents or refuses as a browser does; returns the page shown and the result of the command. */
  consent(): Promise<{ status: number; page: string; finished: Finished }>
}

/** Starts the command and waits for its URL; throws when it ends before. */
export async function startConnecting(
  environment: Record<string, string>,
  words: readonly string[] = [],
  provider: Provider = 'gmail',
): Promise<Connecting> {
  const process = start(['connect', provider, '--json', ...words], environment)
  let ended: Finished | undefined
  void process.exited.then(finished => {
    ended = finished
  })
  const url = await until(() => {
    return consentPageIn(process.stdout()) ?? (ended ? 'none' : undefined)
  }, 'it names a page')
  if (url === 'none') throw new Error(`it ended before: ${process.stderr()}`)
  return {
    ...process,
    url,
    async consent() {
      const answer = await fetch(url)
      return { status: answer.status, page: await answer.text(), finished: await process.exited }
    },
  }
}

/** Connects a mailbox and waits for the end of the command; throws when it ends before it names a page. */
export async function connect(environment: Record<string, string>, words: readonly string[] = []): Promise<Finished> {
  const finished = await inTurn(['connect', 'gmail', '--json', ...words], environment, { visits: true })
  if (consentPageIn(finished.stdout) === undefined) throw new Error(`it ended before: ${finished.stderr}`)
  return finished
}
