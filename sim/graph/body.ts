import { encode } from 'html-entities'
import type { Part } from '../mime.ts'
import { leavesOf, plainText } from '../snippet.ts'

/** Returns a mail's body as HTML, or as text if preferred; converts it if the mail lacks that form. */
export function bodyOf(root: Part, text: boolean): { contentType: 'text' | 'html'; content: string } {
  const shown = leavesOf(root).filter(({ filename }) => filename === '')
  const read = (type: string) =>
    shown
      .find(({ mimeType }) => mimeType === type)
      ?.content()
      .toString('utf8')
  const [plain, html] = [read('text/plain'), read('text/html')]
  if (text) return { contentType: 'text', content: plain ?? plainText(html ?? '').trim() }
  return { contentType: 'html', content: html ?? fromText(plain ?? '') }
}

function fromText(text: string): string {
  const head = '<meta http-equiv="Content-Type" content="text/html; charset=utf-8">'
  return `<html><head>${head}<!-- converted from text --></head><body><div class="PlainText">${encode(text).replace(/\r?\n/g, '<br>\r\n')}</div></body></html>`
}
