import { z } from 'zod'
import { type MailPart, type Walked, walkParts } from '../body/parts.ts'
import { parameterOf } from '../mail/parameters.ts'
import { cutText, oneLine } from '../text.ts'

const header = z.object({ name: z.string(), value: z.string() })
const NO_CONTENT = { attachmentId: undefined, size: 0, data: undefined }
const part = z.object({
  mimeType: z.string().catch(''),
  filename: z.string().catch(''),
  headers: z.array(z.unknown()).catch([]),
  body: z
    .object({
      attachmentId: z.string().min(1).optional().catch(undefined),
      size: z.number().min(0).catch(0),
      data: z.string().optional().catch(undefined),
    })
    .catch(NO_CONTENT),
  parts: z.array(z.unknown()).catch([]),
})
const NOTHING = { mimeType: '', filename: '', headers: [], body: NO_CONTENT, parts: [] }
// Graph and most file systems allow this much.
const LONGEST_NAME = 255
const LONGEST_TYPE = 127

/** Sorts the parts of a Gmail message in its full format (developers.google.com/gmail/api/reference/rest/v1/users.messages#MessagePart). */
export function walkPayload(payload: unknown): Walked {
  return walkParts(payload, readPart)
}

function readPart(raw: unknown): MailPart<unknown> {
  const { mimeType, filename, headers, body, parts } = part.safeParse(raw).data ?? NOTHING
  const values = new Map(
    headers.flatMap((one): [string, string][] => {
      const { data } = header.safeParse(one)
      return data ? [[data.name.toLowerCase(), data.value]] : []
    }),
  )
  const type = values.get('content-type') ?? ''
  return {
    // RFC 2045, 5.2: text is the default.
    type: cutText(oneLine(mimeType).toLowerCase(), LONGEST_TYPE) || 'text/plain',
    name: cutText(oneLine(filename), LONGEST_NAME),
    charset: parameterOf(type, 'charset') || undefined,
    isFlowed: parameterOf(type, 'format').toLowerCase() === 'flowed',
    delSp: parameterOf(type, 'delsp').toLowerCase() === 'yes',
    isAttached: /^\s{0,9}attachment\b/i.test(values.get('content-disposition') ?? ''),
    size: body.size,
    content: body.data,
    contentId: body.attachmentId,
    parts,
  }
}
