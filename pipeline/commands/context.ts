import { misspeltSettings, readConfig } from '../../shared/config.ts'
import { cleanJson } from '../../shared/text.ts'
import type { CommandContext } from '../base/command-context.ts'
import { abortOnSignals, exitOnUncaught } from '../base/lifecycle.ts'
import { createLog, type Log } from '../base/log.ts'
import { surroundingsOf } from '../base/surroundings.ts'
import type { Terminal } from '../base/terminal.ts'

/**
 * Reads the settings, warns about misspelt ones, and listens for signals. A short command finishes even when nobody reads its output;
 * a long-running one (`stays`) ends with its reader. Throws `misconfigured` for invalid settings.
 */
export function contextOf(
  terminal: Terminal,
  { json = false, stays = false }: { json?: boolean; stays?: boolean },
): CommandContext {
  const { err, out, readerGone } = terminal
  const config = readConfig()
  const log = createLog(config, 'mailsluice', terminal)
  exitOnUncaught(log)
  warnAboutMisspelt(log)
  const signal = abortOnSignals(err)
  return {
    config,
    json,
    signal: stays ? AbortSignal.any([signal, readerGone]) : signal,
    print: (text, lines) => out(json ? cleanJson(text, lines) : text),
    terminal,
    surroundings: surroundingsOf(config, { log }),
  }
}

function warnAboutMisspelt(log: Pick<Log, 'warn'>): void {
  for (const { name, meant } of misspeltSettings()) {
    const hint = meant === undefined ? 'see .env.example for all settings' : `did you mean ${meant}?`
    log.warn({ variable: name }, `${name} is not a setting and is ignored; ${hint}`)
  }
}
