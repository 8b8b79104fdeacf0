import { type MailPart, type Walked, walkParts } from '../body/parts.ts'
import { parameterOf } from '../mail/parameters.ts'
import { cutText, oneLine } from '../text.ts'

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
  const part = fieldsOf(raw)
  const body = fieldsOf(part.body)
  const [mimeType, filename] = [textIn(part.mimeType), textIn(part.filename)]
  const values = new Map(
    listIn(part.headers).flatMap((one): [string, string][] => {
      const { name, value } = fieldsOf(one)
      return typeof name === 'string' && typeof value === 'string' ? [[name.toLowerCase(), value]] : []
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
    size: typeof body.size === 'number' && body.size >= 0 && Number.isFinite(body.size) ? body.size : 0,
    content: typeof body.data === 'string' ? body.data : undefined,
    contentId: textIn(body.attachmentId) || undefined,
    parts: listIn(part.parts),
  }
}

// A schema would take ten times as long, and a mail may have a thousand parts.
function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

function textIn(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function listIn(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
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
