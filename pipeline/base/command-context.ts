import type { Config } from '../../shared/config.ts'

/** What every command is given: the settings, where to print, when to stop. */
export interface CommandContext {
  config: Config
  json: boolean
  signal: AbortSignal
  print: (text: string) => void
}

/** Makes the context of one command; one that `stays` ends with whoever reads its output. */
export type ContextOf = (options: { json?: boolean; stays?: boolean }) => CommandContext

/** The exit code of a command that ran, and whose work did not come out well. */
export const FAILED = 1
