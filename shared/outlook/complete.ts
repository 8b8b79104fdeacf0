import { MailError } from '../error.ts'
import type { LabelFilter } from '../filter.ts'
import type { Call, Listed } from '../mailbox.ts'
import type { Message, MessageId } from '../message.ts'
import { fetchMessages } from './fetch.ts'
import { type FolderOptions, type Folders, leftOutAt } from './folders.ts'
import { listed, type Told } from './items.ts'

/**
 * What items amount to once those that tell only a part were asked for; such as are of before `scope` (ms since 1970) are left out, as a folder
 * that is listed whole tells of them too. Throws what asking them throws; one that cannot be had keeps no other: it is listed by itself, to be
 * given up by itself.
 */
export async function complete(
  options: FolderOptions & { filter: LabelFilter },
  folders: Folders,
  { told: { incomplete, ...told }, scope = 0 }: { told: Told; scope: number | undefined },
  call: Call,
): Promise<Omit<Told, 'incomplete'>> {
  if (incomplete.length === 0) return told
  const answers = await fetchMessages(
    { ...options, leftOutIn: folder => leftOutAt(folders, folder, options.skip) },
    incomplete.map(id => ({ id })),
    call,
  )
  const messages: Message[] = []
  const left: MessageId[] = []
  const odd: Listed[] = []
  for (const [id, answer] of answers) {
    if (answer.outcome === 'ok' && answer.message.date >= scope) messages.push(answer.message)
    else if (answer.outcome === 'gone' || answer.outcome === 'filtered') left.push(id)
    else if (answer.outcome === 'failed' && isPoison(answer.error)) odd.push({ id, thread: id })
    else if (answer.outcome === 'failed') throw answer.error
    else if (answer.outcome === 'throttled')
      throw new MailError('throttled', `${options.name}: Microsoft asks to slow down`, answer)
  }
  return {
    ...told,
    ids: [...told.ids, ...messages.map(message => listed(message, options.filter)), ...odd],
    messages: [...told.messages, ...messages],
    left: [...told.left, ...left],
  }
}

function isPoison({ kind }: MailError): boolean {
  return kind === 'rejected' || kind === 'unparsable'
}
