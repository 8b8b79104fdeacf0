import type { Config } from '../../shared/config.ts'
import type { Surroundings } from './surroundings.ts'
import type { Terminal } from './terminal.ts'

/** The settings, output and abort signal that every command receives. */
export interface CommandContext {
  config: Config
  json: boolean
  signal: AbortSignal
  /** Prints a line. Line breaks within JSON become blanks, unless it `keepsLines` as texts of mail do. */
  print: (text: string, json?: { keepsLines: boolean }) => void
  /** The output of the process, for logs and widgets. */
  terminal: Terminal
  surroundings: Surroundings
}

/** Creates the context of a command. A command that `stays` stops when its output has no reader any more. */
export type ContextOf = (options: { json?: boolean; stays?: boolean }) => CommandContext

/** The exit code of a command that ran, but whose work failed. */
export const FAILED = 1
