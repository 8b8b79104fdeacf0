import type { Envelope } from '../../shared/envelope.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import { listMailboxes } from '../../shared/redis/mailboxes.ts'
import { ENTRY, LETTER } from '../../shared/redis/schema.ts'
import { placesOf, textsIn } from '../../shared/redis/waits.ts'
import { openEntry } from '../../shared/slice.ts'
import { GROUP_NAMES, type StageName } from '../../shared/stage.ts'
import { STREAMS } from '../../shared/streams.ts'
import type { AppContext } from '../base/app.ts'
import { READERS } from '../base/stages.ts'
import { entriesAt, keysOf, mentions, throwIfStopped } from '../records/recorded.ts'
import type { MessageQuery } from './journey.ts'

/** Work on a message that is in no stream at the moment. */
export type Location = { run: string; mailbox: MailboxId; id: string } & (
  | { state: 'delayed'; stage: StageName; dueAt: number; attempt: number }
  | { state: 'parked' }
  | { state: 'dead'; stage: StageName; name: string; kind: string; reason: string; at: number }
)

const PAGE_SIZE = 500

/** Finds a message outside the streams: delayed, parked with its mailbox, or dead-lettered. */
export async function locateMessage(
  app: AppContext,
  query: MessageQuery,
  ids: ReadonlySet<string>,
): Promise<Location[]> {
  const { redis, keys } = app
  const { mailbox, message, run, signal } = query
  const partitions = mailbox ? [keys.partitionOf(mailbox)] : keys.partitions
  const found: Location[] = []
  const concerns = (envelope: Envelope): boolean => {
    if ((mailbox && envelope.mailbox !== mailbox) || (run && envelope.run !== run)) return false
    return mentions(envelope.body, message) || ids.has(envelope.id)
  }
  const known = mailbox ? [mailbox] : (await listMailboxes(redis, keys)).map(record => record.mailbox)
  for (const partition of partitions) {
    const mailboxes = known.filter(one => keys.partitionOf(one) === partition)
    for (const place of placesOf(keys, partition, { stages: READERS, mailboxes })) {
      if (place.kind === 'delay') {
        for await (const { text, dueAt } of delayed(app, place.key, signal)) {
          for (const envelope of membersOf(app, text).filter(concerns)) {
            found.push({ ...headOf(envelope), state: 'delayed', stage: place.stage, dueAt, attempt: envelope.attempt })
          }
        }
      } else if (place.kind === 'parked') {
        for await (const texts of textsIn(redis, place)) {
          throwIfStopped(signal)
          for (const envelope of texts.flatMap(text => membersOf(app, text)).filter(concerns))
            found.push({ ...headOf(envelope), state: 'parked' })
        }
      }
    }
    for (const stage of GROUP_NAMES) {
      for await (const [entryId, fields] of entriesAt(redis, keys.dead(partition, stage), true, signal)) {
        const value = (name: string) => fields[fields.indexOf(name) + 1] ?? ''
        const [envelope] = envelopesIn(value(ENTRY.envelope), value(LETTER.stream)).filter(concerns)
        if (!envelope) continue
        const name = `${stage}/${partition}/${entryId}`
        const [kind, reason, at] = [value(LETTER.kind), value(LETTER.message), Number(value(LETTER.at))]
        found.push({ ...headOf(envelope), state: 'dead', stage, name, kind, reason, at })
      }
    }
  }
  return found
}

function headOf({ run, mailbox, id }: Envelope) {
  return { run, mailbox, id }
}

async function* delayed({ redis }: AppContext, key: string, signal: AbortSignal) {
  for (let from = 0; ; from += PAGE_SIZE) {
    throwIfStopped(signal)
    const answer = await redis.zrange(key, `${from}`, `${from + PAGE_SIZE - 1}`, 'WITHSCORES')
    for (let at = 0; at < answer.length; at += 2) yield { text: answer[at] ?? '', dueAt: Number(answer[at + 1]) }
    if (answer.length < 2 * PAGE_SIZE) return
  }
}

// A member is the stream key, a line feed, and the entry.
function membersOf({ keys }: AppContext, member: string): Envelope[] {
  const cut = member.indexOf('\n')
  const key = member.slice(0, cut)
  const stream = STREAMS.find(one => keysOf(keys, one).some(place => place.key === key))
  return envelopesIn(member.slice(cut + 1), stream?.name ?? '')
}

function envelopesIn(text: string, name: string): Envelope[] {
  const stream = STREAMS.find(one => one.name === name)
  return stream ? openEntry(stream, text).items : []
}
