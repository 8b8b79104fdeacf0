import { FATES, MAX_CREATED } from '../streams.ts'
import { WITHHELD } from '../task/worth.ts'
import { OWN_WINDOW_PREFIX } from '../windows/deferred.ts'

// What Redis stores, in one place: names of fields, their prefixes, values, lifetimes and caps. Times are ms since 1970; flags are '1'.
// Scripts name them as TypeScript does (`RUN.startedAt`); `scripts.ts` replaces each name by its value when it loads a script.
// A field whose value ends in ':' or '#' is a prefix.

/** A run, at `keys.run`. It also has a counter for each fate and, under `calls`, for each kind of provider call. */
export const RUN = {
  // Where it came from. A run without `startedAt` is forgotten; `begins` only shows healing that an attempt was made. `from`, `fromAt` and `fromSynced` are as at the mailbox.
  ...named('startedAt', 'mailbox', 'cause', 'begins', 'announced', 'from', 'fromAt', 'fromSynced'),
  // It joined another run; it repeats the work of another; another repeats its work; it has no further effect.
  ...named('coalesced', 'heals', 'healedBy', 'abandoned'),
  // The listing: its next page, 'done' at its end, steps, listed ids; ids requested again for threads; why it failed.
  ...named('next', 'listing', 'pages', 'listed', 'context', 'failure'),
  // Windows by state, and what is counted of each: JSON of `Account` in `windows.lua`.
  ...named('opened', 'merged', 'grouped'),
  window: 'window:',
  // `addsUp` is for readers of `sync-metrics`; `runs.ts` adds up itself.
  ...named('mergedAt', 'addsUp', 'endedAt', 'alerts'),
  // A `RUN_STATUS`. `heal.lua` and `missing.ts` read it: a run that finished once has handed over all its mail, even where it is open again.
  status: 'status',
  // The release that is under way, how many there were, when the last was, and up to when queued threads are due although it is unfinished.
  ...named('releasing', 'releases', 'releasedAt', 'releaseUpTo'),
  // Messages read again for a release, those among them that the cache had lost, and the release that counted them last.
  ...named('reread', 'lost', 'readAt'),
  // Copies of the counters in `THREADS`, which change together with what they count; and the time of the last change.
  ...named('threads', 'settled', 'tasks', 'unchanged', 'deleted', 'givenUp', 'settledAt'),
  // Threads that became no task, by reason.
  ...named(...WITHHELD),
  // Costs. The mark of a batch (`cost:<stage>:<entry>`) lasts until its first input is acknowledged.
  ...named('units', 'asked', 'failed', 'waitedMs', 'waitedUntil'),
  calls: 'calls:',
  cost: 'cost:',
  deferred: 'deferred',
  dead: 'dead',
} as const

/** The value of a run's `listing` at its end. */
export const LISTING = named('done')

/** The final states of a run. */
export const RUN_STATUS = named('done', 'failed', 'abandoned')

/** A window, at `keys.window`. The fields '0', '1', … hold the fates of its items. */
export const WINDOW = {
  // Its size, its items as JSON of [id, thread], '1' where it asks for known messages, and how many fates are known.
  ...named('of', 'items', 'context', 'done'),
  // How many items have the fate.
  fate: 'fate:',
  // Written by an earlier version; the run's account says it now.
  grouped: 'grouped',
} as const

/** A thread of a mailbox, at `keys.thread`. */
export const THREAD = {
  // A known message, with its date or 1, and `own` after it where the owner wrote it; and a deferred one that the thread does not wait for.
  // A further field would cost a thread with long ids a tenth of its memory.
  id: 'id:',
  omitted: 'omitted:',
  own: 'o',
  // The newest emitted version, the newest dispatched one and its time, and the one that is about to be dispatched.
  ...named('released', 'dispatched', 'dispatchedAt', 'dispatching'),
  // The version that a sink got last.
  ...named('sent'),
  // Since when it waits for a task; the ids that no task knew of yet as JSON, after its first task; the emitted version that became no task,
  // and why.
  ...named('waitsSince', 'unsent', 'withheld'),
  // '1' where what the owner wrote was deleted.
  ...named('ownerWrote'),
} as const

/** The threads of a run, at `keys.runFresh`: `<thread>` holds its new ids as JSON. */
export const FRESH = {
  // By thread: changes besides new ids, requests for its mail, '1' once it was emitted, the entry that settled it.
  changed: 'changed:',
  asked: 'asked:',
  out: 'out:',
  settled: 'settled:',
  // By thread, the version for which it has one of the run's places for tasks; and how many are taken.
  place: 'place:',
  places: '#places',
  // By message: it left its thread; the last page that reported it gone.
  left: 'left:',
  gone: 'gone:',
  // A counter, by its name in `RUN`.
  counter: '#',
} as const

/** The suspects of a run, at `keys.runSuspects`: `<id>` holds the message's thread. */
export const SUSPECT = {
  // Up to which page listed messages are suspects once they are known; no message has this id.
  listed: '',
} as const

/** A mailbox, at `keys.mailbox`. */
export const MAILBOX = {
  // `since` is when it was connected, by the clock that numbers stream entries.
  ...named('connectedAt', 'since'),
  ...named('cursor', 'cursorAt', 'synced'),
  // The active run, and the cursor, its time and `synced` where that run began.
  ...named('activeRun', 'from', 'fromAt', 'fromSynced'),
  // What the next run is for: a run was requested; changes came during this one, with these new messages and this history id.
  ...named('asked', 'dirty', 'created', 'announced'),
  // The pending look, and whether it begins when the active run ends.
  ...named('look', 'lookAfterRun'),
  // A pause, and whether one watch event is parked for its end.
  ...named('pausedAt', 'parkedEvent'),
  // Parked for its account: a `MAILBOX_STATUS`, the provider's reason, since when, and the last probe.
  ...named('status', 'statusReason', 'parkedAt', 'probedAt'),
  ...named('watchExpiresAt', 'watchAskedAt', 'watchFailure', 'watchOff'),
  ...named('subscription', 'subscriptionTerms'),
  filters: 'filters',
  // `<stage>:<entry>`: the last dead letter before the one that is about to be written for that entry.
  deadLetter: 'dead-letter:',
} as const

/** The states of a mailbox's account, and of the event that reports it. */
export const MAILBOX_STATUS = { needsReauth: 'needs-reauth' } as const

/** A quota's book, at `keys.quota` and `keys.projectQuota`; `quota-book.lua` describes it. */
export const QUOTA = {
  spent: 'spent:',
  lease: 'lease:',
  ...named('places', 'narrowedAt', 'share', 'refusedAt', 'refusals', 'pausedUntil'),
} as const

/** A book of model spending, at `keys.spending` and `keys.allSpending`; `spending-book.lua` describes it. */
export const BOOK = { spent: 'day:', call: 'call:', minute: 'minute:', ticket: 'ticket:', ...named('refused') } as const

/** The states of a call in a book, and why a book refuses one. */
const CALL_STATE = named('held', 'sent')
export const BOOK_LIMIT = named('money', 'requests', 'tokens')

/** A paused sink, at `keys.sink`: for which settings, why, since when, the next try, how long until another, its longest, who tries. */
export const SINK = named('settings', 'why', 'since', 'tryAt', 'tryMs', 'mostMs', 'trier')

/** The approval of a mailbox's costs, at `keys.approval`: what was expected when it was asked for, and when a person gave it. */
export const APPROVAL = named('expected', 'askedAt', 'approvedAt')

/** Counts of notifications, at `keys.arrivals`; the mark of a notification lasts until it is remembered. */
export const ARRIVAL = { ...named('posted', 'duplicate', 'stale', 'unknown'), counted: 'counted:' } as const

/** An entry of a stream. */
export const ENTRY = named('envelope')

/** Names of consumers that no process has: the one that holds what a consumer released at its shutdown. */
export const CONSUMER = { released: '__released' } as const

/** A dead letter, which is an `ENTRY` too. */
export const LETTER = named('stage', 'stream', 'kind', 'message', 'at', 'unread')

/** An entry of `mailbox-events`. */
export const EVENT = named(
  'event',
  'mailbox',
  'at',
  'run',
  'by',
  'reason',
  'threads',
  'tasks',
  'alert',
  'level',
  'text',
)

/** What an entry of `sync-metrics` has besides the fields of its run; these times are in seconds. */
const METRIC = named('run', 'message_count', 'duration', 'messages_per_second', 'timestamp')

const FATE = named(...FATES)

const HOUR = 3600
const DAY = 24 * HOUR

/** How long keys live, in seconds. */
export const LIFETIME = {
  /** A run and what belongs to it, after its end; a thread that lost its last message. */
  run: 7 * DAY,
  /** A window after it was grouped. */
  groupedWindow: HOUR,
  /** An event that joined another run. */
  coalescedRun: DAY,
  /**
   * A notification that was accepted. Pub/Sub usually repeats within minutes. A later copy is outdated by its history id, or its run is
   * over.
   */
  notification: DAY,
  /** How soon a thread must change again to be kept warm, and how long it is. */
  warm: DAY,
  /** What nothing refers to any more: long enough to notice if a needed key is missing by mistake. */
  orphan: DAY,
  /** A book of model spending after its last change: a day's calls may be settled on the next. */
  spending: 2 * DAY,
  /** An approval, and a question for one that nobody asks again. */
  approval: 7 * DAY,
  /** A Graph link after its last read. */
  link: 90 * DAY,
  /** A Graph link that has a successor. */
  oldLink: 3 * DAY,
} as const

/** The largest numbers of things. */
export const LIMIT = {
  openWindows: 2,
  /** Further new messages of a thread are only counted: a task cannot hold them. */
  freshIds: 1000,
  warmThreads: 200,
  /** Ended runs in a partition's index. */
  runs: 1000,
  /** Messages that a coalesced event passes to the next run by name. */
  created: MAX_CREATED,
  /** How often a thread may wait for its mail in one run. The fates decide long before; this only stops an endless loop. */
  contexts: 50,
  /** Model calls that wait in their order. Further ones come after them, in any order. */
  tickets: 200,
  /** Entries of a partition's `mailbox-events`, about. */
  mailboxEvents: 1000,
  /** Entries of a partition's `sync-metrics`, about. */
  metrics: 1000,
  /** Dead letters of the gateway. */
  notifications: 1000,
  /** Words of one command in a script: `unpack` accepts some eight thousand. */
  words: 4000,
} as const

/** Lists that scripts walk through. */
const LIST = {
  fates: FATES,
  threadCounters: [RUN.threads, RUN.settled, RUN.tasks, RUN.unchanged, RUN.deleted, RUN.givenUp, ...WITHHELD],
} as const

/** The prefixes of windows' names. */
const WINDOW_NAME = { deferred: OWN_WINDOW_PREFIX } as const

const OF_MAIL = { RUN, LISTING, RUN_STATUS, WINDOW, WINDOW_NAME, THREAD, FRESH, SUSPECT, MAILBOX, MAILBOX_STATUS }
const OF_BOOKS = { QUOTA, BOOK, CALL_STATE, BOOK_LIMIT, SINK, APPROVAL }
const OF_ENTRIES = { ARRIVAL, ENTRY, CONSUMER, LETTER, EVENT, METRIC, FATE }

type Group = Readonly<Record<string, string | number | readonly string[]>>

/** Everything that a script may name, by group. */
export const SCHEMA: Readonly<Record<string, Group>> = { ...OF_MAIL, ...OF_BOOKS, ...OF_ENTRIES, LIFETIME, LIMIT, LIST }

function named<const Name extends string>(...names: readonly Name[]): { readonly [One in Name]: One } {
  return Object.fromEntries(names.map(name => [name, name])) as { [One in Name]: One }
}
