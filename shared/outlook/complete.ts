import { MailError } from '../error.ts'
import type { Call, Fetched, Listed } from '../mailbox.ts'
import type { Message, MessageId } from '../message.ts'
import type { LabelFilter } from '../provider/filter.ts'
import { fetchMessages } from './fetch.ts'
import { type FolderOptions, type Folders, leftOutAt } from './folders.ts'
import { listed, type Reported } from './items.ts'

const MOST_ANSWERS = 100

/**
 * Fetches the messages of incomplete items and adds them to a report. Messages received before `scope` (ms
 * since 1970) are left out, because a folder listed without a filter reports them too. A message that cannot
 * be fetched is listed individually, so its retry or failure affects only itself. Throws `throttled`, and
 * errors of the access token.
 */
export async function complete(
  options: FolderOptions & { filter: LabelFilter },
  folders: Folders,
  { reported: { incomplete, ...reported }, scope = 0 }: { reported: Reported; scope: number | undefined },
  call: Call,
): Promise<Omit<Reported, 'incomplete'>> {
  if (incomplete.length === 0) return reported
  const messages: Message[] = []
  const left: MessageId[] = []
  const unreadable: Listed[] = []
  for await (const [id, answer] of answersFor(options, folders, incomplete, call)) {
    if (answer.outcome === 'ok' && answer.message.date >= scope) messages.push(answer.message)
    else if (answer.outcome === 'gone' || answer.outcome === 'filtered') left.push(id)
    else if (answer.outcome === 'throttled')
      throw new MailError('throttled', `${options.name}: Microsoft asks to slow down`, answer)
    // The cached copy is stale now.
    else if (answer.outcome === 'failed') unreadable.push({ id, thread: id, verify: true })
  }
  return {
    ...reported,
    ids: [...reported.ids, ...messages.map(message => listed(message, options.filter)), ...unreadable],
    messages: [...reported.messages, ...messages],
    left: [...reported.left, ...left],
  }
}

// The page itself was answered, so an error here says nothing about the mailbox. Answers hold whole texts, so few are kept at a time.
async function* answersFor(
  options: FolderOptions & { filter: LabelFilter },
  folders: Folders,
  incomplete: readonly MessageId[],
  call: Call,
): AsyncGenerator<[MessageId, Fetched]> {
  const leftOutIn = (folder: string) => leftOutAt(folders, folder, options.skip)
  const most = options.batchSize * Math.ceil(MOST_ANSWERS / options.batchSize)
  for (let at = 0; at < incomplete.length; at += most) {
    const some = incomplete.slice(at, at + most)
    try {
      yield* await fetchMessages(
        { ...options, leftOutIn },
        some.map(id => ({ id })),
        call,
      )
    } catch (thrown) {
      const isOfAll = !(thrown instanceof MailError) || thrown.kind === 'throttled' || thrown.blames === 'token'
      if (isOfAll || call.signal.aborted) throw thrown
      for (const id of incomplete.slice(at)) yield [id, { outcome: 'failed', error: thrown }]
      return
    }
  }
}
