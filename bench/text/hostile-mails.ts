import { setImmediate } from 'node:timers/promises'
import type { HtmlToText } from '../../shared/body/html-text.ts'
import { readText } from '../../shared/body/read-body.ts'
import { walkPayload } from '../../shared/gmail/content.ts'
import { readMessage } from '../../shared/gmail/message.ts'
import { decodeRare } from '../../shared/http/charset.ts'
import type { Task } from '../../shared/task/schema.ts'
import { buildTask } from '../../shared/task/task.ts'

/** A message as Gmail sends it in its full format. */
export type HostileMail = Record<string, unknown>

const HEADERS = { From: 'Bo <bo@example.com>', To: 'ana@example.com', Subject: 'Hello' }
const OPTIONS = { tokens: 8000, promptVersion: '1', model: '' }
const RECIPIENTS = Array.from({ length: 30_000 }, (_, n) => `Person ${n} <person${n}@example.com>`).join(', ')
const PART = { partId: '1', mimeType: 'text/plain', filename: '', headers: [], body: data('x') }
const FILE = { ...PART, mimeType: 'application/zip', filename: 'all.zip', body: { size: 20e6, attachmentId: 'a1' } }

/** Mails that cost a careless reader its memory or its event loop. Each says more than a task holds. */
export const HOSTILE_MAILS: Readonly<Record<string, HostileMail>> = {
  'ten thousand parts': mail({ mimeType: 'multipart/mixed', parts: Array.from({ length: 10_000 }, () => PART) }),
  'an attachment of 20 MB beside a short text': mail({ mimeType: 'multipart/mixed', parts: [PART, FILE] }),
  'a text of 20 MB that was not sent along': mail({
    mimeType: 'multipart/mixed',
    parts: [PART, { ...PART, body: { size: 20e6, attachmentId: 'a1' } }],
  }),
  'thirty thousand recipients': mail({ mimeType: 'text/plain', body: data('x') }, { To: RECIPIENTS }),
  'a subject of 400 kB': mail({ mimeType: 'text/plain', body: data('x') }, { Subject: 's'.repeat(400_000) }),
  'nested divs': mail(page('<div>'.repeat(50_000))),
  'open tables': mail(page('<table><tr><td>'.repeat(20_000))),
  'a long word': mail({ mimeType: 'text/plain', body: data('a'.repeat(200_000)) }),
  ampersands: mail(page('&'.repeat(500_000))),
}

/** Reads a mail as the Gmail adapter does, and builds the task of it alone. */
export async function taskOf(hostile: HostileMail, htmlToText: HtmlToText): Promise<Task> {
  const message = readMessage(hostile)
  if (!message) throw new Error('the mail has no id')
  // As the adapter does where a mail is large.
  await setImmediate()
  const walked = walkPayload(hostile.payload)
  const { body } = await readText(walked, { htmlToText, decodeRare })
  const attachments = [...walked.attachments]
  const whole = { ...message, body, ...(attachments.length > 0 ? { attachments } : {}) }
  // Another stage builds the task.
  await setImmediate()
  const thread = { mailbox: 'gmail:ana@example.com', thread: 't', version: '0a'.repeat(16), reason: 'new' } as const
  return buildTask(thread, [whole], OPTIONS)
}

function mail(payload: HostileMail, headers: Partial<typeof HEADERS> = {}): HostileMail {
  const all = Object.entries({ ...HEADERS, ...headers }).map(([name, value]) => ({ name, value }))
  return { id: 'm1', threadId: 't', labelIds: ['INBOX'], snippet: 'x', payload: { ...payload, headers: all } }
}

function page(html: string): HostileMail {
  return { mimeType: 'text/html', body: data(`${html}deep`) }
}

function data(text: string) {
  return { size: text.length, data: Buffer.from(text).toString('base64url') }
}
