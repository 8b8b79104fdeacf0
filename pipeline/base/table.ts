import Table from 'cli-table3'
import { printableLine } from './terminal.ts'

/** A table row with one text or number a column. */
export type Cells = readonly (string | number)[]

/** A table for people. Cells are printable and stay on one line, so columns align. */
export interface TextTable {
  push(cells: Cells): void
  toString(): string
}

/** Creates a table: `textColumns` columns of text, then numbers; the last column is text where `lastIsText`. */
export function table(
  head: string[],
  textColumns: number,
  { lastIsText = false }: { lastIsText?: boolean } = {},
): TextTable {
  const isText = (index: number) => index < textColumns || (lastIsText && index === head.length - 1)
  const rows = new Table({
    head,
    style: { head: [], border: [] },
    colAligns: head.map((_, index) => (isText(index) ? 'left' : 'right')),
  })
  return {
    push: cells => void rows.push(cells.map(cell => (typeof cell === 'string' ? printableLine(cell) : cell))),
    toString: () => rows.toString(),
  }
}
