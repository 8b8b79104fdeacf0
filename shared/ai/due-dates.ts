import { isTimeZone } from '../settings/kinds.ts'

const DATE = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d)?$/

/**
 * Returns an answer of the built-in schema in which each due date is a real day, or minute, and each time zone one of the IANA database;
 * others are null. `removed` counts the dates.
 */
export function withRealDates(output: Record<string, unknown>): { output: Record<string, unknown>; removed: number } {
  const items: unknown[] = Array.isArray(output.actionItems) ? output.actionItems : []
  let removed = 0
  const actionItems = items.map(item => {
    const { dueDate, timeZone, ...rest } = item as Record<string, unknown>
    const isDate = typeof dueDate === 'string' && isRealDate(dueDate)
    if (!isDate && dueDate !== null) removed += 1
    const isZone = isDate && typeof timeZone === 'string' && isTimeZone(timeZone)
    return { ...rest, dueDate: isDate ? dueDate : null, timeZone: isZone ? timeZone : null }
  })
  return { output: { ...output, actionItems }, removed }
}

// Date.parse turns 30 February into March.
function isRealDate(text: string): boolean {
  if (!DATE.test(text)) return false
  const time = Date.parse(`${text.length > 10 ? text : `${text}T00:00`}Z`)
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text)
}
