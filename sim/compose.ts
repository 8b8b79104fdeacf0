/**
 * A mail to write. People are `Name <address>`, and `references` are oldest first. An attachment makes it
 * multipart; `html` alone makes it HTML-only.
 */
export interface Draft {
  from: string
  to: readonly string[]
  subject: string
  atMs: number
  id: string
  references?: readonly string[]
  text?: string
  html?: string
  attachment?: { filename: string; mimeType: string; content: string }
  headers?: Readonly<Record<string, string>>
}

const BOUNDARY = '=_part'
const WORD_CHARACTERS = 18

/**
 * Writes a mail in wire format: CRLF, and encoded headers if they are not ASCII. The same draft gives the
 * same bytes.
 */
export function composeMail(draft: Draft): string {
  const { from, to, subject, atMs, id, references = [], headers = {} } = draft
  const parent = references.at(-1)
  const lines = [
    `From: ${encodePerson(from)}`,
    `To: ${to.map(encodePerson).join(',\r\n ')}`,
    `Subject: ${encodeWords(subject)}`,
    `Date: ${new Date(atMs).toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: ${id}`,
    ...(parent === undefined ? [] : [`In-Reply-To: ${parent}`, `References: ${references.join('\r\n ')}`]),
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    'MIME-Version: 1.0',
    ...contentOf(draft),
  ]
  return `${lines.join('\r\n')}\r\n`
}

function contentOf({ text, html, attachment }: Draft): string[] {
  if (attachment) {
    const { filename, mimeType, content } = attachment
    return multipart('mixed', [
      textPart('plain', text ?? ''),
      [
        `Content-Type: ${mimeType}; name="${filename}"`,
        `Content-Disposition: attachment; filename="${filename}"`,
        'Content-Transfer-Encoding: base64',
        '',
        Buffer.from(content).toString('base64'),
      ],
    ])
  }
  if (html === undefined) return textPart('plain', text ?? '')
  if (text === undefined) return textPart('html', html)
  return multipart('alternative', [textPart('plain', text), textPart('html', html)])
}

function multipart(subtype: string, parts: readonly string[][]): string[] {
  const opened = parts.flatMap(part => [`--${BOUNDARY}`, ...part])
  return [`Content-Type: multipart/${subtype}; boundary="${BOUNDARY}"`, '', ...opened, `--${BOUNDARY}--`]
}

function textPart(subtype: string, text: string): string[] {
  const type = `Content-Type: text/${subtype}; charset=utf-8`
  return [type, 'Content-Transfer-Encoding: 8bit', '', text.replace(/\r?\n/g, '\r\n')]
}

function encodePerson(person: string): string {
  const at = person.endsWith('>') ? person.lastIndexOf(' <') : -1
  return at < 0 ? person : encodeWords(person.slice(0, at)) + person.slice(at)
}

// RFC 2047: words of at most 75 characters, each decodable separately.
function encodeWords(text: string): string {
  if (!/[^ -~]/.test(text)) return text
  const characters = Array.from(text)
  const words: string[] = []
  for (let at = 0; at < characters.length; at += WORD_CHARACTERS) {
    const word = characters.slice(at, at + WORD_CHARACTERS).join('')
    words.push(`=?UTF-8?B?${Buffer.from(word).toString('base64')}?=`)
  }
  return words.join('\r\n ')
}
