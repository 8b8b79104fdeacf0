import { z } from 'zod'

const IDS = ['SPAM', 'TRASH', 'DRAFT', 'INBOX', 'SENT', 'UNREAD', 'STARRED', 'IMPORTANT', 'CHAT'] as const
const ALLOWED = `names of Gmail's labels in an export, as SPAM=Roskaposti,TRASH=Roskakori,DRAFT=Luonnokset; the labels are ${IDS.join(', ')}`

/**
 * Parses `SPAM=Roskaposti,TRASH=A|B,DRAFT=` into label names by Gmail's label id; `|` separates several names, and an empty value means
 * that there is none.
 */
export const takeoutLabels = z
  .string()
  .default('')
  .transform((text, context) => {
    const pairs = text
      .split(',')
      .flatMap(pair => (pair.trim() === '' ? [] : [pair.split('=').map(part => part.trim())]))
    const isPair = ([id = '', ...names]: readonly string[]) => IDS.some(one => one === id) && names.length === 1
    if (pairs.every(isPair) && new Set(pairs.map(([id]) => id)).size === pairs.length)
      return Object.fromEntries(pairs) as Record<string, string>
    context.addIssue(ALLOWED)
    return z.NEVER
  })
