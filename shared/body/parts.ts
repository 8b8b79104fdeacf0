import type { Attachment } from '../message.ts'

/** A part of a mail as its provider describes it. A part holds parts, or content, which may have to be fetched by its id. */
export interface MailPart<Raw> {
  /** In lower case. */
  type: string
  /** The file name; empty if the part names none. */
  name: string
  charset: string | undefined
  /** Its lines are wrapped (`format=flowed`), with a blank that counts or, with `delSp`, does not. */
  isFlowed: boolean
  delSp: boolean
  isAttached: boolean
  /** In bytes. */
  size: number
  /** In base64url. */
  content: string | undefined
  /** The id by which the provider serves the content. */
  contentId: string | undefined
  /** Why its text cannot be read. */
  note?: string | undefined
  parts: readonly Raw[]
}

/** A part that holds text. */
export type Leaf = Omit<MailPart<unknown>, 'name' | 'isAttached' | 'note' | 'parts'>

/** One piece of a mail's text, in the forms that the sender wrote; a form may consist of several parts. */
export interface Piece {
  plain: readonly Leaf[]
  html: readonly Leaf[]
}

/** What a mail consists of. With `isPart` some of it was not read; `note` says why. */
export interface Walked {
  /** In reading order. */
  pieces: readonly Piece[]
  attachments: readonly Attachment[]
  /** How many more files there are. */
  moreAttachments: number
  /** Invitations as the sender wrote them. */
  calendars: readonly Leaf[]
  isPart: boolean
  note: string | undefined
}

// Real mail has fewer parts and levels; what is beyond was made to keep readers busy.
const MOST_PARTS = 1000
const MOST_LEVELS = 50
const MOST_ATTACHMENTS = 100
const MOST_ATTACHED_MAILS = 5
const CALENDARS = /^(?:text\/calendar|application\/ics)$/
const ATTACHED_MAIL = /^message\/(?:rfc822|global)$/

/** A part that is read only if a mail has no other text. */
type Spare<Raw> = { leaf: Leaf } | { mail: readonly Raw[] }

/**
 * Sorts the parts of a mail into text, attachments and invitations; `read` describes one part. Of alternatives, both forms are kept. Text in
 * a file or in an attached mail counts only if there is no other. Takes time that grows with the number of parts, up to a limit.
 */
export function walkParts<Raw>(root: Raw, read: (raw: Raw) => MailPart<Raw>): Walked {
  const attachments: Attachment[] = []
  const calendars: Leaf[] = []
  const spares: Spare<Raw>[] = []
  let seen = 0
  let moreAttachments = 0
  let note: string | undefined
  const first = walk(root, 0)
  const pieces = first.length > 0 ? first : spareTexts()
  return { pieces, attachments, moreAttachments, calendars, isPart: note !== undefined, note }

  function walk(raw: Raw, level: number): Piece[] {
    seen += 1
    if (seen > MOST_PARTS) return leftOut('too many parts')
    const part = read(raw)
    if (!part.type.startsWith('multipart/')) return sorted(part)
    if (level >= MOST_LEVELS) return leftOut('too many levels of parts')
    const pieces: Piece[][] = []
    for (const child of part.parts) {
      if (seen > MOST_PARTS) break
      pieces.push(walk(child, level + 1))
    }
    return part.type === 'multipart/alternative' ? alternatives(pieces) : pieces.flat()
  }

  function leftOut(why: string): [] {
    note ??= why
    return []
  }

  function sorted(part: MailPart<Raw>): Piece[] {
    const { type, name, size, isAttached } = part
    const isFile = isAttached || name !== ''
    if (part.note !== undefined) leftOut(part.note)
    if (!isFile && type === 'text/plain') return [{ plain: [leafOf(part)], html: [] }]
    if (!isFile && type === 'text/html') return [{ plain: [], html: [leafOf(part)] }]
    if (CALENDARS.test(type)) calendars.push(leafOf(part))
    const isMail = ATTACHED_MAIL.test(type)
    if (isMail && spares.length < MOST_ATTACHED_MAILS) spares.push({ mail: part.parts })
    if (type.startsWith('text/') && type !== 'text/calendar' && !isAttached) spares.push({ leaf: leafOf(part) })
    // A text without a name is another form of the text, such as AMP.
    if (!isFile && type.startsWith('text/')) return []
    if (attachments.length < MOST_ATTACHMENTS) attachments.push({ name, type, size })
    else {
      moreAttachments += 1
      leftOut('too many attachments')
    }
    return []
  }

  // An attached mail may hold another one, which then is a spare too.
  function spareTexts(): Piece[] {
    const found: Piece[] = []
    for (const spare of spares) found.push(...spareText(spare))
    return found
  }

  function spareText(spare: Spare<Raw>): Piece[] {
    if ('mail' in spare) return spare.mail.flatMap(raw => walk(raw, 1))
    const { leaf } = spare
    return [leaf.type === 'text/html' ? { plain: [], html: [leaf] } : { plain: [leaf], html: [] }]
  }
}

function leafOf({ name: _, isAttached: __, parts: ___, note: ____, ...leaf }: MailPart<unknown>): Leaf {
  return leaf
}

// The sender's forms are ordered from the poorest to the richest (RFC 2046, 5.1.4).
function alternatives(children: readonly (readonly Piece[])[]): Piece[] {
  const isPlain = (pieces: readonly Piece[]) => pieces.length > 0 && pieces.every(({ html }) => html.length === 0)
  const plain = children.find(isPlain) ?? []
  const rich = children.findLast(pieces => pieces.some(({ html }) => html.length > 0)) ?? []
  const piece = {
    plain: plain.flatMap(one => one.plain),
    html: rich.flatMap(one => (one.html.length > 0 ? one.html : one.plain)),
  }
  return piece.plain.length + piece.html.length > 0 ? [piece] : []
}
