import type { Command } from 'commander'
import { LANES } from '../../shared/envelope.ts'
import { isConnectionError } from '../../shared/redis/connect.ts'
import { STREAMS } from '../../shared/streams.ts'
import type { CommandContext, ContextOf } from '../base/command-context.ts'
import { printableLine } from '../base/terminal.ts'
import { sleep } from '../base/wait.ts'
import { shortenIds, withoutContent } from '../records/diff.ts'
import { byEntry, keysOf, type Recorded, readEntry, streamNamed } from '../records/recorded.ts'
import { withReadableApp } from './with-app.ts'

/** Adds the arguments and the action of `tail`. */
export function define(command: Command, contextOf: ContextOf): void {
  command
    .argument('<stream>', STREAMS.map(({ name }) => name).join(', '))
    .option('--from-start', 'begin with the entries that exist already', false)
    .option('--json', 'print each entry in full, one JSON object per line', false)
    .action((stream, options) => tail(contextOf({ ...options, stays: true }), stream, options))
}

const MAX_ENTRIES = 200
const BLOCK_MS = 30_000
const WATCHDOG_SLACK_MS = 2000
const RETRY_MS = 200
const MAX_CHARACTERS = 160

type Answer = [key: string, entries: [entryId: string, fields: string[]][]][] | null

/**
 * Prints each new entry of a stream as one line, from all lanes and partitions, until the signal is aborted; with `fromStart` the
 * existing entries first. Reads outside the consumer groups, so the stages miss nothing. Throws `misconfigured` for an unknown name.
 */
export async function tail(context: CommandContext, name: string, options: { fromStart: boolean }): Promise<void> {
  const stream = streamNamed(name)
  const { json, print, signal } = context
  const texts = { keepsLines: stream.forWorkers === true }
  await withReadableApp(context, async ({ redis, keys, openConnection, surroundings: { machine } }) => {
    const places = keysOf(keys, stream)
    // `$` is resolved at each read, so entries written between two reads would be missed.
    const last = new Map(
      await Promise.all(
        places.map(async ({ key }): Promise<[string, string]> => {
          const [newest] = options.fromStart ? [] : await redis.xrevrange(key, '+', '-', 'COUNT', 1)
          return [key, newest?.[0] ?? '0-0']
        }),
      ),
    )
    const connection = openConnection()
    const stopped = new Promise<null>(resolve => {
      signal.addEventListener('abort', () => resolve(null), { once: true })
    })
    try {
      while (!signal.aborted) {
        const found: Recorded[] = []
        // A command sent to a Redis that is gone may never get an answer, not even when the connection closes.
        for (const [key, entries] of (await Promise.race([read(), stopped])) ?? []) {
          const lane = places.find(place => place.key === key)?.lane ?? LANES[0]
          for (const [entryId, fields] of entries) {
            last.set(key, entryId)
            const read = readEntry(stream, { key, lane, entryId, fields })
            found.push(...read)
            if (read.length === 0)
              print(json ? JSON.stringify({ stream: name, entryId, unreadable: true }) : `${entryId}  unreadable`)
          }
        }
        for (const entry of found.sort(byEntry)) print(json ? JSON.stringify(entryJson(entry)) : line(entry), texts)
      }
    } finally {
      connection.disconnect()
    }

    async function read(): Promise<Answer> {
      const watchdog = machine.after(BLOCK_MS + WATCHDOG_SLACK_MS, () => connection.disconnect(true))
      try {
        if (connection.status === 'wait' || connection.status === 'end') await connection.connect()
        const words = ['COUNT', MAX_ENTRIES, 'BLOCK', BLOCK_MS, 'STREAMS', ...last.keys(), ...last.values()]
        return (await connection.call('XREAD', ...words)) as Answer
      } catch (error) {
        if (!signal.aborted && !isConnectionError(error)) throw error
        await sleep(RETRY_MS, signal, machine)
        return null
      } finally {
        watchdog.cancel()
      }
    }
  })
}

function entryJson({ stream, lane, entryId, envelope }: Recorded): unknown {
  return { stream, lane, entryId, envelope }
}

function line({ writtenAt, lane, envelope }: Recorded): string {
  const time = new Date(writtenAt).toISOString().slice(11, 23)
  const body = JSON.stringify(shortenIds(withoutContent(envelope.body)))
  const short = body.length > MAX_CHARACTERS ? `${body.slice(0, MAX_CHARACTERS)}…` : body
  return printableLine(`${time}  ${lane}  ${envelope.mailbox}  ${envelope.id}  ${short}`)
}
