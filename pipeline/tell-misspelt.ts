import { misspeltSettings } from '../shared/config.ts'
import type { Log } from './log.ts'

/** Warns of each variable of the environment that looks like a setting and is none. */
export function tellOfMisspelt(log: Pick<Log, 'warn'>): void {
  for (const { name, meant } of misspeltSettings()) {
    const instead = meant === undefined ? '.env.example names all there are' : `${meant} may be meant`
    log.warn({ variable: name }, `${name} is no setting, and does nothing: ${instead}`)
  }
}
