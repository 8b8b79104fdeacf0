import { z } from 'zod'
import type { Links } from '../provider/links.ts'
import type { MarkName } from './cursor.ts'
import { roundSchema } from './round.ts'

const markSchema = z.object({
  folder: z.string(),
  link: z.string().optional(),
  end: z.boolean().optional(),
  at: z.number(),
  restarts: z.number().optional(),
  unfiltered: z.boolean().optional(),
  round: roundSchema.optional(),
})

/**
 * How far a folder was listed: `link` is what Graph said to ask next, absent where it is to be listed from its beginning, and `end` tells
 * that there is no more for now; `at` is when Graph said so (ms since 1970), `restarts` how often in a row it began anew, `round` how many pages and
 * messages came since its beginning, and `unfiltered` that it is listed whole, for more came since the scope begins than Graph tells of.
 */
export type Mark = z.infer<typeof markSchema>

/** A mark and what cursors call it. */
export interface NamedMark {
  name: MarkName
  mark: Mark
}

/** The marks of these names, in their order, without those that were lost. */
export async function readMarks(links: Links, names: readonly MarkName[]): Promise<NamedMark[]> {
  const texts = await links.read(names)
  return names.flatMap(name => {
    const text = texts.get(name)
    const mark = text === undefined ? undefined : markIn(text)
    return mark ? [{ name, mark }] : []
  })
}

/** Keeps marks; their names, in their order. */
export async function keepMarks(links: Links, marks: readonly Mark[]): Promise<NamedMark[]> {
  if (marks.length === 0) return []
  const names = await links.keep(marks.map(mark => JSON.stringify(mark)))
  return marks.map((mark, place) => ({ mark, name: names[place] ?? '' }))
}

function markIn(text: string): Mark | undefined {
  try {
    return markSchema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}
