import { misspeltSettings, readConfig } from '../../shared/config.ts'
import { cleanJson } from '../../shared/text.ts'
import type { CommandContext } from '../base/command-context.ts'
import { diesLoudly, untilSignalled } from '../base/lifecycle.ts'
import { createLog, type Log } from '../base/log.ts'
import { err, out, readerGone } from '../base/terminal.ts'

/**
 * Reads the settings, warns of misspelt ones, and listens for signals. A command that ends by itself does its work though nobody reads its
 * output; one that `stays` ends with its reader. Throws `misconfigured` for settings that are wrong.
 */
export function contextOf({ json = false, stays = false }: { json?: boolean; stays?: boolean }): CommandContext {
  const config = readConfig()
  const log = createLog(config, 'mailsluice')
  diesLoudly(log)
  warnOfMisspelt(log)
  const signal = untilSignalled(err)
  return {
    config,
    json,
    signal: stays ? AbortSignal.any([signal, readerGone]) : signal,
    print: text => out(json ? cleanJson(text) : text),
  }
}

function warnOfMisspelt(log: Pick<Log, 'warn'>): void {
  for (const { name, meant } of misspeltSettings()) {
    const instead = meant === undefined ? '.env.example names all there are' : `${meant} may be meant`
    log.warn({ variable: name }, `${name} is no setting, and does nothing: ${instead}`)
  }
}
