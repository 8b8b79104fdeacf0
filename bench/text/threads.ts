import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { encode } from 'html-entities'
import { demoMailbox } from '../../sim/demo.ts'
import { loadMail } from '../../sim/mbox.ts'
import { type Part, parseMime } from '../../sim/mime.ts'
import { leavesOf } from '../../sim/snippet.ts'
import { groupThreads } from '../../sim/threads.ts'

/** A mail as a page: its own, or one that a mail program would write for its plain text. */
export interface MailPage {
  id: string
  page: string
}

// A real mailing list lies beside some checkouts.
const LIST = resolve('..', 'shared', 'corpus', 'mailing-list.mbox')
const MARKS = /^ ?>(?: ?>){0,20} ?/

/** Reads the threads of an mbox file, oldest mail first; without one, of the list beside the project, or of the demo. */
export async function threadsOf(file: string | undefined): Promise<{ name: string; threads: MailPage[][] }> {
  const path = file ?? (existsSync(LIST) ? LIST : undefined)
  const mailbox = path === undefined ? demoMailbox() : await loadMail(path)
  const groups = groupThreads()
  for (let index = 0; index < mailbox.size; index++) groups.add(mailbox.message(index), { merging: true })
  const threads = new Map<number, MailPage[]>()
  for (let index = 0; index < mailbox.size; index++) {
    const page = pageOf(parseMime((await mailbox.message(index).read()).toString('latin1')))
    const first = groups.firstOf(index)
    threads.set(first, [...(threads.get(first) ?? []), { id: `${index}`, page }])
  }
  return { name: mailbox.address, threads: [...threads.values()] }
}

function pageOf(root: Part): string {
  const texts = leavesOf(root).filter(({ filename }) => filename === '')
  const contentOf = (type: string) =>
    texts.flatMap(part => (part.mimeType === type ? [part.content().toString('utf8')] : [])).join('\n')
  return contentOf('text/html') || written(contentOf('text/plain'))
}

function written(text: string): string {
  let depth = 0
  const lines = text.split(/\r?\n/).map(line => {
    const marks = MARKS.exec(line)?.[0] ?? ''
    const next = marks.replaceAll(' ', '').length
    const change = next > depth ? QUOTE.repeat(next - depth) : '</blockquote>'.repeat(depth - next)
    depth = next
    const rest = line.slice(marks.length)
    return `${change}<div style="font-size: 12pt; color: #222222;"><span>${rest === '' ? '<br>' : encode(rest)}</span></div>`
  })
  return `<html><head><style>p { margin: 0 }</style></head><body>${lines.join('\n')}${'</blockquote>'.repeat(depth)}</body></html>`
}

const QUOTE = '<blockquote class="gmail_quote" style="margin:0 0 0 .8ex;border-left:1px #ccc solid;padding-left:1ex">'
