import type { Listed } from '../../shared/mailbox.ts'
import { fetchedMessages, type SettledId } from '../../shared/streams.ts'
import { verifiedPage } from '../../shared/windows/kinds.ts'
import { windowOf } from '../records/lineage.ts'
import type { RecordedRuns } from './recorded-runs.ts'

/** A known message that seemed to be gone in a run, and was asked for. */
export interface VerifiedMessage extends Listed {
  /** It was gone, or is left out since: it left its thread. */
  gone: boolean
  /** Nothing told of it: it was on none of the pages that tell what is there. */
  suspect: boolean
}

/** What a run had verified, as far as the streams still tell. */
export function verifiedThen({ events, missing, fetched }: RecordedRuns, run: string): VerifiedMessage[] {
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
