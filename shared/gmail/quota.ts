/**
 * Google's cost table for a Cloud project: `2026` for projects created since 2026-05-01, `legacy` for older
 * ones.
 */
export type QuotaTable = '2026' | 'legacy'

/** The cost of each Gmail method in quota units. */
export interface QuotaCosts {
  messageGet: number
  threadGet: number
  messageList: number
  threadList: number
  historyList: number
  labelList: number
  profile: number
  watch: number
  stop: number
}

const SAME = { messageList: 5, threadList: 10, historyList: 2, labelList: 1, profile: 1, watch: 100, stop: 50 }

/**
 * Both cost tables, as Google publishes them. Each part of a batch costs as much as a single request
 * (developers.google.com/gmail/api/reference/quota).
 */
export const QUOTA_COSTS: Readonly<Record<QuotaTable, QuotaCosts>> = {
  '2026': { ...SAME, messageGet: 20, threadGet: 40 },
  legacy: { ...SAME, messageGet: 5, threadGet: 10 },
}

/**
 * Units a minute that Google allows for one mailbox (developers.google.com/gmail/api/reference/quota). A
 * project's own limit is the same under both tables.
 */
export const UNITS_PER_MINUTE: Readonly<Record<QuotaTable, number>> = { '2026': 6000, legacy: 15_000 }

/** Requests at a time below which no refusal leads: the lowest limit that users report; Google publishes none. */
export const GMAIL_FEWEST_REQUESTS = 10
