import { z } from 'zod'
import type { HtmlToText } from '../body/html-text.ts'
import { readDecoded } from '../body/read-body.ts'
import { CUT } from '../http/skim.ts'
import type { Body, Message } from '../message.ts'

/** The body of a message that is too large to be asked for with its text. */
export const NOT_SENT: Body = { text: '', kind: 'none', isPart: true, note: 'too large' }

const resource = z.object({ body: z.object({ contentType: z.string().catch('html'), content: z.string().catch('') }) })

/**
 * Adds the text of a Graph message resource to its message (learn.microsoft.com/graph/api/resources/itembody); `undefined` if the resource
 * has no body, because Graph shows none to this application.
 */
export async function withBody(message: Message, item: unknown, htmlToText: HtmlToText): Promise<Message | undefined> {
  const { success, data } = resource.safeParse(item)
  if (!success) return undefined
  const { contentType, content } = data.body
  if (content.endsWith(CUT)) return { ...message, body: NOT_SENT }
  return { ...message, body: await readDecoded(content, contentType.toLowerCase() !== 'text', htmlToText) }
}

/** Adds the texts of listed messages, whose items are known; the others have theirs. */
export async function withBodies(
  messages: readonly Message[],
  items: ReadonlyMap<Message, unknown>,
  htmlToText: HtmlToText | undefined,
): Promise<Message[]> {
  if (!htmlToText) return [...messages]
  // Pages that are requested together are converted together.
  return Promise.all(
    messages.map(async message => {
      const whole = items.has(message) ? await withBody(message, items.get(message), htmlToText) : undefined
      return whole ?? message
    }),
  )
}
