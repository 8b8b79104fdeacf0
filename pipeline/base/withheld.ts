import { WITHHELD, type Withheld } from '../../shared/task/worth.ts'

const WORDS: Readonly<Record<Withheld, string>> = {
  drafts: 'it holds only drafts',
  autoReplies: 'only automatic replies are new in it',
  tooOld: 'its newest mail is older than AI_SINCE',
  overLimit: 'its run had as many tasks as AI_MAX_PER_RUN allows',
}

/** Says why a thread became no task; unknown reasons are named as they are. */
export function withheldWords(why: string): string {
  return new Map<string, string>(Object.entries(WORDS)).get(why) ?? why
}

/** Says how many threads became no task, by reason; `undefined` where there are none. */
export function withheldCounts(counts: Readonly<Record<Withheld, number>>): string | undefined {
  const said = WITHHELD.flatMap(why => (counts[why] > 0 ? [`${counts[why]} because ${WORDS[why]}`] : []))
  return said.length > 0 ? said.join('; ') : undefined
}

/** Returns how many threads became no task. */
export function withheldIn(counts: Readonly<Record<Withheld, number>>): number {
  return WITHHELD.reduce((sum, why) => sum + counts[why], 0)
}
