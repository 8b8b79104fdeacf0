import { MailError } from '../error.ts'
import type { Call, Fetched, Listed } from '../mailbox.ts'
import type { Message, MessageId } from '../message.ts'
import type { LabelFilter } from '../provider/filter.ts'
import { fetchMessages } from './fetch.ts'
import { type FolderOptions, type Folders, leftOutAt } from './folders.ts'
import { listed, type Reported } from './items.ts'

/**
 * What items amount to once those that tell only a part were asked for; such as are of before `scope` (ms since 1970) are left out, as a folder
 * that is listed whole tells of them too. One that cannot be had is listed by itself, to be asked for again, or given up, by itself. Throws
 * `throttled`, and what is said of the access token.
 */
export async function complete(
  options: FolderOptions & { filter: LabelFilter },
  folders: Folders,
  { reported: { incomplete, ...reported }, scope = 0 }: { reported: Reported; scope: number | undefined },
  call: Call,
): Promise<Omit<Reported, 'incomplete'>> {
  if (incomplete.length === 0) return reported
  const answers = await answersFor(options, folders, incomplete, call)
  const messages: Message[] = []
  const left: MessageId[] = []
  const odd: Listed[] = []
  for (const [id, answer] of answers) {
    if (answer.outcome === 'ok' && answer.message.date >= scope) messages.push(answer.message)
    else if (answer.outcome === 'gone' || answer.outcome === 'filtered') left.push(id)
    else if (answer.outcome === 'throttled')
      throw new MailError('throttled', `${options.name}: Microsoft asks to slow down`, answer)
    // What is held of it is out of date now.
    else if (answer.outcome === 'failed') odd.push({ id, thread: id, verify: true })
  }
  return {
    ...reported,
    ids: [...reported.ids, ...messages.map(message => listed(message, options.filter)), ...odd],
    messages: [...reported.messages, ...messages],
    left: [...reported.left, ...left],
  }
}

// The page itself was answered: what is said of all of these is no word on the mailbox.
async function answersFor(
  options: FolderOptions & { filter: LabelFilter },
  folders: Folders,
  incomplete: readonly MessageId[],
  call: Call,
): Promise<ReadonlyMap<MessageId, Fetched>> {
  const leftOutIn = (folder: string) => leftOutAt(folders, folder, options.skip)
  try {
    return await fetchMessages(
      { ...options, leftOutIn },
      incomplete.map(id => ({ id })),
      call,
    )
  } catch (thrown) {
    const isOfAll = !(thrown instanceof MailError) || thrown.kind === 'throttled' || thrown.blames === 'token'
    if (isOfAll || call.signal.aborted) throw thrown
    return new Map(incomplete.map((id): [MessageId, Fetched] => [id, { outcome: 'failed', error: thrown }]))
  }
}
