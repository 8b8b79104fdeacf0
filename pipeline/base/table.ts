import Table from 'cli-table3'
import { printableLine } from './terminal.ts'

/** A row of a table: texts and numbers, as many as it has columns. */
export type Cells = readonly (string | number)[]

/** A table for people. Cells are printable and stay on their line, so that its columns are as wide as they look. */
export interface TextTable {
  push(cells: Cells): void
  toString(): string
}

/** A plain table: so many columns of text, then numbers; texts again where `lastIsText`. */
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
