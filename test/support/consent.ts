import { randomBytes } from 'node:crypto'
import type { Provider } from '../../shared/mailbox.ts'
import { type Finished, type Process, start } from './processes.ts'
import { until } from './until.ts'

/** A key to seal accounts with. */
export function sealingKey(): string {
  return randomBytes(32).toString('base64')
}

/** `mailsluice connect`, waiting for somebody to consent at `url`. */
export interface Connecting extends Process {
  url: string
  /** Consents, or not, as a browser at the OAuth server does: what the person gets to see, and how the command ended. */
  consent(): Promise<{ status: number; page: string; finished: Finished }>
}

/** Starts the command and waits for the page it names; throws when it ends before. */
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
    const [found] = /http:\S+\/oauth2\/v2(?:\/auth|\.0\/authorize)\?\S+/.exec(process.stdout()) ?? []
    return found ?? (ended ? 'none' : undefined)
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

/** Connects a mailbox to its end. */
export async function connect(environment: Record<string, string>, words: readonly string[] = []): Promise<Finished> {
  const { finished } = await (await startConnecting(environment, words)).consent()
  return finished
}
