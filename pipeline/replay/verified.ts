import type { Listed } from '../../shared/mailbox.ts'
import { fetchedMessages, type SettledId } from '../../shared/streams.ts'
import { verifiedPage } from '../../shared/windows/kinds.ts'
import { windowOf } from '../records/lineage.ts'
import type { RecordedRuns } from './recorded-runs.ts'

/** A known message that seemed to be gone in a run, so that the run verified it. */
export interface VerifiedMessage extends Listed {
  /** Whether it was gone or is filtered now, and so was removed from its thread. */
  gone: boolean
  /** Whether no page listed it, including the pages that list everything. */
  suspect: boolean
}

/** Returns the messages that a run verified, as far as the streams still hold them. */
export function verifiedInRun({ events, missing, fetched }: RecordedRuns, run: string): VerifiedMessage[] {
  const last = new Set(
    (events.get(run) ?? []).flatMap(({ body }) => (body.page?.verifyThen === undefined ? [] : [windowOf(body)])),
  )
  return (missing.get(run) ?? []).flatMap(({ id: place, body: { id, thread, window } }): VerifiedMessage[] => {
    const page = verifiedPage(window)
    if (page === undefined) return []
    const fate = (fetched.at(fetchedMessages.name, place)?.body as SettledId | undefined)?.fate
    return [{ id, thread, gone: fate === 'gone' || fate === 'filtered', suspect: last.has(page) }]
  })
}
