import { z } from 'zod'
import type { Call, GraphAnswer } from './call.ts'
import { badRequest, notSimulated } from './error.ts'
import { folderNamed } from './folders.ts'
import { entryOf, getMessage } from './messages.ts'

const marksSchema = z.strictObject({
  isRead: z.boolean().optional(),
  flag: z.strictObject({ flagStatus: z.enum(['flagged', 'notFlagged', 'complete']) }).optional(),
  importance: z.enum(['low', 'normal', 'high']).optional(),
  categories: z.array(z.string()).optional(),
})
const moveSchema = z.strictObject({ destinationId: z.string() })

/** Changes a message's read flag, flag, importance or categories. */
export async function updateMessage(call: Call): Promise<GraphAnswer> {
  const entry = entryOf(call)
  const { data, error } = marksSchema.safeParse(call.body)
  if (!data) throw notSimulated(`This change of a message (${error.issues.map(({ message }) => message).join('; ')})`)
  const { isRead, flag, importance, categories } = data
  call.account.mark(entry, {
    isRead,
    flagged: flag && flag.flagStatus === 'flagged',
    important: importance && importance === 'high',
    categories,
  })
  return getMessage(call)
}

/** Moves a message to another folder, and answers with the moved message. */
export async function moveMessage(call: Call): Promise<GraphAnswer> {
  const entry = entryOf(call)
  const { data } = moveSchema.safeParse(call.body)
  if (!data) throw badRequest('The destinationId of a folder is missing.', 'ErrorInvalidRequest')
  const { account } = call
  account.move(entry, folderNamed(account.folders, data.destinationId))
  const answer = await getMessage({ ...call, ids: { message: account.ids.immutable(entry.index) } })
  return { ...answer, status: 201 }
}

/** Deletes a message: into Deleted Items, and from there permanently. */
export function deleteMessage(call: Call): GraphAnswer {
  const { account } = call
  const entry = entryOf(call)
  const bin = account.folders.wellKnown('deleteditems')
  if (entry.folder === bin) account.remove(entry)
  else account.move(entry, bin)
  return { status: 204 }
}
