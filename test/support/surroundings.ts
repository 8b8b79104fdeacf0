import type { CommandContext } from '../../pipeline/base/command-context.ts'
import { surroundingsOf } from '../../pipeline/base/surroundings.ts'
import type { Terminal } from '../../pipeline/base/terminal.ts'
import { openHttp } from '../../shared/http/exchange.ts'
import { proxiesIn } from '../../shared/settings/proxies.ts'

/** A terminal that shows nothing, and whose reader stays. */
export const hidden: Terminal = {
  readerGone: new AbortController().signal,
  screen: process.stderr,
  isOutputLost: async () => false,
  out: () => undefined,
  err: () => undefined,
  errAboveBar: () => undefined,
}

/** A transport without proxies. */
export const http = openHttp(proxiesIn({}))

/** The context of a command in the test's process, with real surroundings. */
export function contextFor(own: Omit<CommandContext, 'terminal' | 'surroundings'>): CommandContext {
  return { ...own, terminal: hidden, surroundings: surroundingsOf(own.config) }
}
