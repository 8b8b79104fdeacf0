import { providerOf } from '../../shared/mailbox.ts'
import type { ListedId, MergedWindow, SettledId, ThreadChange, WatchEvent } from '../../shared/streams.ts'
import type { Task } from '../../shared/task/task.ts'
import { isOwnWindow } from '../../shared/windows/deferred.ts'
import { kindOf, type WindowKind } from '../../shared/windows/kinds.ts'
import type { Explanation } from './explanation.ts'
import type { Hop, Progress } from './journey.ts'
import type { Location } from './locate-message.ts'

const STREAM_WIDTH = 16
const SHORT_VERSION = 8

/** Stories for people, without anything that was written in a mail. */
export function explanationLines(stories: readonly Explanation[], now: number): string[] {
  return stories.flatMap((explanation, index) => [
    ...(index > 0 ? [''] : []),
    `${explanation.message} in ${explanation.mailbox}, run ${explanation.run}${runState(explanation)}`,
    ...explanation.hops.map(hopLine),
    ...explanation.elsewhere.map(one => `  ! ${elsewhereLine(one, now)}`),
    ...standing(explanation).map(line => `  = ${line}`),
  ])
}

function runState({ state }: Explanation): string {
  if (!state) return ' (forgotten)'
  if (state.healedBy !== undefined) return ` (${state.cause}, stood still; run ${state.healedBy} does the rest)`
  if (state.failure !== undefined) return ` (${state.cause}, failed: ${state.failure})`
  return ` (${state.cause}, ${state.endedAt === undefined ? 'under way' : 'ended'})`
}

function hopLine({ writtenAt, sinceMs, stream, lane, envelope, progress }: Hop): string {
  const time = new Date(writtenAt).toISOString().replace('T', ' ').slice(0, 23)
  const since = sinceMs === undefined ? '' : `+${sinceMs} ms`
  const attempt = envelope.attempt > 0 ? [`attempt ${envelope.attempt + 1}`] : []
  const replay = envelope.replayOf === undefined ? [] : [`replay of ${envelope.replayOf}`]
  const words = [...hopWords(stream, envelope.body), ...attempt, ...replay, ...progress.flatMap(progressWords)]
  return `  ${time} ${since.padStart(10)}  ${stream.padEnd(STREAM_WIDTH)}  ${lane}  ${words.join(', ')}`
}

function hopWords(stream: string, body: unknown): string[] {
  switch (stream) {
    case 'watch-events': {
      const { cause, page } = body as WatchEvent
      return [page ? `page ${page.window}` : cause]
    }
    case 'message-ids':
    case 'missing-ids': {
      const { window, index, of } = body as ListedId
      return [...whyAgain(window), `${index + 1} of ${of} in window ${window}`]
    }
    case 'cached-messages':
    case 'fetched-messages': {
      const { fate, reason, window } = body as SettledId
      return [`${fate} in window ${window}`, ...(reason === undefined ? [] : [reason])]
    }
    case 'merged': {
      const { window, release, items } = body as MergedWindow
      return [release ? 'the run lets its threads go' : `window ${window} with ${items.length} ids`]
    }
    case 'threads': {
      const { thread, version, ids, reason } = body as ThreadChange
      return [`thread ${thread} (${reason}) with ${ids.length} messages`, `version ${short(version)}`]
    }
    case 'analysis-tasks': {
      const { version, messages, budget } = body as Task
      const omitted = budget.omitted > 0 ? [`${budget.omitted} older ones left out`] : []
      return [`task with ${messages.length} messages`, ...omitted, `version ${short(version)}`]
    }
    default:
      return []
  }
}

const WHY_AGAIN: Readonly<Record<WindowKind, readonly string[]>> = {
  page: [],
  redriven: [],
  context: ['known, and fetched again because the cache had lost it'],
  verification: ['known, and asked for because it may be gone'],
}

function whyAgain(window: string): readonly string[] {
  if (isOwnWindow(window)) return ['set aside because it failed, and tried again by itself']
  return WHY_AGAIN[kindOf(window)]
}

function progressWords(progress: Progress): string[] {
  if (progress.state === 'done') return []
  if (progress.state === 'not read yet') return [`${progress.stage} has not read it yet`]
  const { stage, consumer, forMs, deliveries } = progress
  // The first delivery is its being read, and each time that work on it began is one more.
  const times = deliveries > 2 ? `, begun ${deliveries - 1} times` : ''
  return [`in work in ${stage} at ${consumer} for ${seconds(forMs)}${times}`]
}

function elsewhereLine(one: Location, now: number): string {
  if (one.state === 'parked') return 'parked: its mailbox waits for its account; mend that, then `mailsluice resume`'
  if (one.state === 'dead') {
    const when = new Date(one.at).toISOString().replace('T', ' ').slice(0, 19)
    return `given up in ${one.stage} at ${when} (${one.kind}): ${one.reason}; dead letter ${one.name}`
  }
  const due = one.dueAt > now ? `due in ${seconds(one.dueAt - now)}` : `due for ${seconds(now - one.dueAt)}`
  return `delayed in ${one.stage}, ${due}, attempt ${one.attempt + 1}`
}

function standing(explanation: Explanation): string[] {
  const { windows, thread, tasks, cachedForSeconds } = explanation
  const cached = cachedForSeconds === undefined ? 'not in the cache' : `in the cache for another ${cachedForSeconds} s`
  return [
    fateLine(explanation),
    ...windows.map(({ window, merged, missing }) =>
      merged
        ? `window ${window} is merged`
        : `window ${window} waits for ${missing === undefined ? 'an unknown number of' : missing} fates`,
    ),
    ...(thread ? [threadLine(thread)] : []),
    tasks.length > 0 ? `dispatched in this run: ${tasks.map(({ task }) => task).join(', ')}` : 'no task in this run',
    cached,
  ]
}

function fateLine({ mailbox, fate, windows, elsewhere, hops }: Explanation): string {
  if (fate === undefined) {
    const isListed = windows.length > 0 || elsewhere.length > 0 || hops.length === 0
    return isListed ? 'no fate yet' : 'known before, and not listed in this run; its thread went out again'
  }
  // Graph's listings bring the mail itself.
  const came = fate.fate === 'cached' && providerOf(mailbox) === 'outlook' ? 'it came with its listing' : undefined
  const reason = fate.reason ?? came
  return `fate ${fate.fate}${reason === undefined ? '' : `: ${reason}`}`
}

function threadLine({ thread, known, holds, dispatched, waits }: NonNullable<Explanation['thread']>): string {
  const waiting = waits ? ', waits for the run to let it go' : ''
  const version = dispatched === undefined ? 'never dispatched' : `last dispatched in version ${short(dispatched)}`
  const without = holds ? '' : ', this one not among them'
  return `thread ${thread}: ${known} messages known${without}, ${version}${waiting}`
}

function short(version: string): string {
  return version.slice(0, SHORT_VERSION)
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
