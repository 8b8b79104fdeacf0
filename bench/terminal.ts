import { openTerminal } from '../pipeline/base/terminal.ts'

/** The output of a bench's process. */
export const terminal = openTerminal()
