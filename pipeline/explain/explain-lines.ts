import { providerOf } from '../../shared/mailbox.ts'
import { traitsOf } from '../../shared/provider/traits.ts'
import type { DueTask, ListedId, MergedWindow, SettledId, ThreadChange, WatchEvent } from '../../shared/streams.ts'
import type { Task } from '../../shared/task/schema.ts'
import { isOwnWindow } from '../../shared/windows/deferred.ts'
import { kindOf, type WindowKind } from '../../shared/windows/kinds.ts'
import { utcTime } from '../base/times.ts'
import { withheldWords } from '../base/withheld.ts'
import type { Explanation } from './explanation.ts'
import type { Hop, Progress } from './journey.ts'
import type { Location } from './locate-message.ts'

const STREAM_WIDTH = 16
const SHORT_VERSION = 8

/** Renders explanations for people, without any mail content. */
export function explanationLines(explanations: readonly Explanation[], now: number): string[] {
  return explanations.flatMap((explanation, index) => [
    ...(index > 0 ? [''] : []),
    `${explanation.message} in ${explanation.mailbox}, run ${explanation.run}${runState(explanation)}`,
    ...explanation.hops.map(hopLine),
    ...explanation.elsewhere.map(one => `  ! ${locationLine(one, now)}`),
    ...stateLines(explanation).map(line => `  = ${line}`),
  ])
}

function runState({ state }: Explanation): string {
  if (!state) return ' (forgotten)'
  if (state.healedBy !== undefined) return ` (${state.cause}, stalled; healed by run ${state.healedBy})`
  if (state.failure !== undefined) return ` (${state.cause}, failed: ${state.failure})`
  return ` (${state.cause}, ${state.endedAt === undefined ? 'in flight' : 'ended'})`
}

function hopLine({ writtenAt, sinceMs, stream, lane, envelope, progress }: Hop): string {
  const time = utcTime(writtenAt, 'millisecond')
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
      return [...refetchReason(window), `${index + 1} of ${of} in window ${window}`]
    }
    case 'cached-messages':
    case 'fetched-messages': {
      const { fate, reason, window } = body as SettledId
      return [`${fate} in window ${window}`, ...(reason === undefined ? [] : [reason])]
    }
    case 'merged': {
      const { window, release, items } = body as MergedWindow
      return [release ? 'the run releases its threads' : `window ${window} with ${items.length} ids`]
    }
    case 'threads': {
      const { thread, version, ids, reason } = body as ThreadChange
      return [`thread ${thread} (${reason}) with ${ids.length} messages`, `version ${short(version)}`]
    }
    case 'due-tasks': {
      const { thread, version, ids } = body as DueTask
      return [`thread ${thread} with ${ids.length} messages for the sink`, `version ${short(version)}`]
    }
    case 'analysis-tasks': {
      const task = body as Task
      const { version, messages, budget } = task
      const omitted = budget.omitted > 0 ? [`${budget.omitted} older messages omitted`] : []
      const kind = task.class ? [`${task.class.kind}: ${task.class.cause}`] : []
      return [`task with ${messages.length} messages`, ...omitted, ...kind, `version ${short(version)}`]
    }
    default:
      return []
  }
}

const REFETCH_REASON: Readonly<Record<WindowKind, readonly string[]>> = {
  page: [],
  redriven: [],
  context: ['known, refetched because the cache had lost it'],
  verification: ['known, checked because it may be gone'],
}

function refetchReason(window: string): readonly string[] {
  if (isOwnWindow(window)) return ['deferred after a failure, retried alone']
  return REFETCH_REASON[kindOf(window)]
}

function progressWords(progress: Progress): string[] {
  if (progress.state === 'done') return []
  if (progress.state === 'not read yet') return [`${progress.stage} has not read it yet`]
  const { stage, consumer, forMs, deliveries } = progress
  // The first delivery is the read; each start of work adds one.
  const times = deliveries > 2 ? `, started ${deliveries - 1} times` : ''
  return [`in work in ${stage} at ${consumer} for ${seconds(forMs)}${times}`]
}

function locationLine(one: Location, now: number): string {
  if (one.state === 'parked')
    return 'parked: its mailbox waits for its account; fix the account, then run `mailsluice resume`'
  if (one.state === 'dead') {
    const when = utcTime(one.at, 'second')
    return `dead-lettered in ${one.stage} at ${when} (${one.kind}): ${one.reason}; dead letter ${one.name}`
  }
  const due = one.dueAt > now ? `due in ${seconds(one.dueAt - now)}` : `overdue by ${seconds(now - one.dueAt)}`
  if (one.stage === 'ai-dispatch' && one.attempt === 0)
    return `waits for more mail of its thread (AI_DEBOUNCE_MS), ${due}`
  if (one.stage === 'ai-send' && one.attempt === 0) return `waits for the sink, ${due}; \`mailsluice status\` says why`
  return `delayed in ${one.stage}, ${due}, attempt ${one.attempt + 1}`
}

function stateLines(explanation: Explanation): string[] {
  const { windows, thread, tasks, cachedForSeconds } = explanation
  const cached = cachedForSeconds === undefined ? 'not in the cache' : `in the cache for another ${cachedForSeconds} s`
  return [
    fateLine(explanation),
    ...windows.map(({ window, merged, missing }) =>
      merged
        ? `window ${window} is merged`
        : `window ${window} waits for ${missing === undefined ? 'an unknown number of' : missing} fates`,
    ),
    ...(thread ? [threadLine(thread), ...withheldLine(thread)] : []),
    tasks.length > 0 ? `dispatched in this run: ${tasks.map(({ task }) => task).join(', ')}` : 'no task in this run',
    cached,
  ]
}

function fateLine({ mailbox, fate, windows, elsewhere, hops }: Explanation): string {
  if (fate === undefined) {
    const isListed = windows.length > 0 || elsewhere.length > 0 || hops.length === 0
    return isListed ? 'no fate yet' : 'already known and not listed in this run; its thread was emitted again'
  }
  const included =
    fate.fate === 'cached' && traitsOf(providerOf(mailbox)).listsMessages ? 'the listing included it' : undefined
  const reason = fate.reason ?? included
  return `fate ${fate.fate}${reason === undefined ? '' : `: ${reason}`}`
}

function threadLine({ thread, known, holds, dispatched, waits }: NonNullable<Explanation['thread']>): string {
  const waiting = waits ? ', waits for the run to release it' : ''
  const version = dispatched === undefined ? 'never dispatched' : `last dispatched as version ${short(dispatched)}`
  const without = holds ? '' : ', without this one'
  return `thread ${thread}: ${known} messages known${without}, ${version}${waiting}`
}

function withheldLine({ withheld }: NonNullable<Explanation['thread']>): string[] {
  if (!withheld) return []
  return [`version ${short(withheld.version)} became no task, because ${withheldWords(withheld.why)}`]
}

function short(version: string): string {
  return version.slice(0, SHORT_VERSION)
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
