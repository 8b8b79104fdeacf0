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
const UNKNOWN = 'a text in an unknown transfer encoding is not read'
const ENCODED = /uue|uuencode|yenc|binhex/i

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
  const shown = typeOf(mimeType, { declared: type, filename, encoding: values.get('content-transfer-encoding') })
  return {
    type: cutText(oneLine(shown.type), LONGEST_TYPE) || 'text/plain',
    note: shown.note,
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

// RFC 2045, 6.4: text in an unknown encoding is shown as a file. Where the encoding is only misspelt, the text is readable as it is.
function typeOf(
  mimeType: string,
  { declared, filename, encoding = '' }: { declared: string; filename: string; encoding: string | undefined },
): { type: string; note?: string } {
  const shown = mimeType.toLowerCase()
  const [written = ''] = declared.split(';', 1)
  const isText = /^\s{0,9}text\/(?:plain|html)\s{0,9}$/i.test(written)
  const isFile = shown !== 'application/octet-stream' || filename !== ''
  // RFC 2045, 5.2: text is the default.
  if (!isText || isFile || encoding === '') return { type: shown || 'text/plain' }
  return ENCODED.test(encoding) ? { type: shown, note: UNKNOWN } : { type: written.trim().toLowerCase() }
}
