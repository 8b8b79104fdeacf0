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
 * How far a folder is listed. `link` is the next request to Graph; if it is absent, the folder is listed from
 * the beginning. `end` means that there is nothing more for now. `at` is the time of Graph's answer (ms since
 * 1970). `restarts` counts consecutive restarts. `round` counts the pages and messages since the beginning.
 * `unfiltered` means that the folder is listed completely, because the scope holds more messages than Graph
 * lists with a filter.
 */
export type Mark = z.infer<typeof markSchema>

/** A mark and its name in cursors. */
export interface NamedMark {
  name: MarkName
  mark: Mark
}

/** Returns what a folder's later marks keep of this one, after a restart too: how the folder is listed. */
export function lastingOf({ unfiltered }: Mark): Pick<Mark, 'unfiltered'> {
  return unfiltered ? { unfiltered } : {}
}

/** Reads the marks of these names, in order, without lost ones. */
export async function readMarks(links: Links, names: readonly MarkName[]): Promise<NamedMark[]> {
  const texts = await links.read(names)
  return names.flatMap(name => {
    const text = texts.get(name)
    const mark = text === undefined ? undefined : markIn(text)
    return mark ? [{ name, mark }] : []
  })
}

/** Stores marks and returns them with their names, in order. */
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
