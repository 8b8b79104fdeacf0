import type { Task } from '../task/schema.ts'
import { cleanLines } from '../text.ts'
import { mapTexts } from './texts.ts'

/** A task as a model reads it. Messages have short names instead of the ids of their provider, which models copy with faults. */
export interface TaskData {
  data: Record<string, unknown> & { messages: readonly NamedMessage[] }
  /** The id of each message by its short name. */
  ids: ReadonlyMap<string, string>
}

interface NamedMessage {
  id: string
  [field: string]: unknown
}

/** Returns the fields of a task that say something about its mail, with texts that hold no invisible characters. */
export function taskData(task: Task): TaskData {
  const names = new Map(task.messages.map(({ id }, index) => [id, `m${index + 1}`]))
  const { subject, participants, labels, reason, timeZone, language, truncated } = task
  const left = leftOut(task)
  const data = {
    subject,
    participants,
    messages: task.messages.map(message => named(message, names)),
    labels,
    reason,
    ...(task.class === undefined ? {} : { class: task.class.kind }),
    ...(timeZone === undefined ? {} : { timeZone }),
    ...(language === undefined ? {} : { language }),
    ...(left > 0 ? { messagesLeftOut: left } : {}),
    ...(truncated ? { truncated } : {}),
  }
  return { data: mapTexts(data, cleanLines), ids: new Map([...names].map(([id, name]) => [name, id])) }
}

function named(message: Task['messages'][number], names: ReadonlyMap<string, string>): NamedMessage {
  const { id, omitted, ...rest } = message
  const quotes = omitted?.quotes?.map(quote => ({
    in: names.get(quote.in) ?? 'a message left out',
    words: quote.words,
  }))
  return {
    id: names.get(id) ?? '',
    ...rest,
    ...(omitted === undefined ? {} : { omitted: { ...omitted, ...(quotes === undefined ? {} : { quotes }) } }),
  }
}

function leftOut({ budget, omitted, omissions }: Task): number {
  return budget.omitted + omitted.length + (omissions?.omitted ?? 0)
}
