/** Requests that Graph lets an app spend on one mailbox in `OUTLOOK_WINDOW_MINUTES` (learn.microsoft.com/graph/throttling-limits#outlook-service-limits). */
export const OUTLOOK_UNITS = 10_000
/** Minutes over which Graph counts the requests of a mailbox. */
export const OUTLOOK_WINDOW_MINUTES = 10
/** Requests of one mailbox that Graph answers at a time (learn.microsoft.com/graph/throttling-limits#outlook-service-limits). */
export const OUTLOOK_REQUESTS = 4
/** Requests at a time below which no refusal leads. */
export const OUTLOOK_FEWEST_REQUESTS = 2
/** Longer than a call waits for Graph, which refuses a fifth request while four are in flight, however slow those are. */
export const OUTLOOK_ANSWER_MS = 31_000
