import { availableParallelism, loadavg } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setImmediate as turn } from 'node:timers/promises'
import { compile } from 'html-to-text'
import { trimQuotes } from '../shared/body/quotes.ts'
import { createHtmlReader, type HtmlReader } from '../shared/html/reader.ts'
import { HOSTILE_PAGES } from './text/hostile.ts'
import { HOSTILE_MAILS, taskOf } from './text/hostile-mails.ts'
import { type MailPage, threadsOf } from './text/threads.ts'

/** What mail costs to become text. Rates are mails a second of one processor; times are in ms, memory in MB. */
export interface TextFigures {
  mails: number
  /** The load per processor in the minute before. Delays mean little above 0.5. */
  loadBefore: number
  perSecond: number
  barePerSecond: number
  /** Pauses of the event loop while hostile pages are mixed in. */
  delayP999: number
  longestDelay: number
  growthMb: number
  peakMb: number
  hostile: { name: string; ms: number; characters: number; note?: string }[]
  ok: boolean
}

const GOALS = { perSecond: 300, delayP999: 20, longestDelay: 50, growthMb: 40 }
// As many mails as one call to a provider fetches.
const BATCH = 20
const RESOLUTION_MS = 1
const NS_PER_MS = 1e6
const BYTES_PER_MB = 1e6

/** Measures how fast mail becomes trimmed text, beside html-to-text alone on the same pages, and what hostile pages do to the event loop. */
export async function measureText({
  mbox,
  say,
}: {
  mbox: string | undefined
  say: (line: string) => void
}): Promise<TextFigures> {
  const loadBefore = (loadavg()[0] ?? 0) / availableParallelism()
  const { name, threads } = await threadsOf(mbox)
  const pages = threads.flat()
  const reader = createHtmlReader()
  try {
    await reader.htmlToText('<p>warm')
    // The first turn warms both up.
    await readAll(reader, pages.slice(0, 400), threads.slice(0, 50))
    bareLoop(pages.slice(0, 400))
    const bare = await cpuSeconds(async () => bareLoop(pages))
    const ours = await cpuSeconds(() => readAll(reader, pages, threads))
    const [perSecond, barePerSecond] = [pages.length / ours, pages.length / bare]
    say(
      `${pages.length} mails of ${name}:  ${perSecond.toFixed(0)} a second of one processor;  html-to-text alone ${barePerSecond.toFixed(0)}`,
    )
    const mixed = await measureMixed(reader, pages, threads)
    say(
      `with ${mixed.hostile.length} hostile pages and mails mixed in:  event loop p99.9 ${mixed.delayP999.toFixed(1)} ms, ` +
        `longest pause ${mixed.longestDelay.toFixed(1)} ms;  ${mixed.growthMb.toFixed(0)} MB more, ${mixed.peakMb.toFixed(0)} MB at the peak`,
    )
    const figures = { mails: pages.length, loadBefore, perSecond, barePerSecond, ...mixed }
    const isBelow = (['delayP999', 'longestDelay', 'growthMb'] as const).every(one => figures[one] <= GOALS[one])
    return { ...figures, ok: isBelow && perSecond >= GOALS.perSecond }
  } finally {
    await reader.close()
  }
}

async function measureMixed(reader: HtmlReader, pages: readonly MailPage[], threads: readonly MailPage[][]) {
  const hostile: TextFigures['hostile'] = []
  const waiting = [
    ...Object.entries(HOSTILE_PAGES).map(([name, { html }]) => ({ name, read: () => reader.htmlToText(html) })),
    ...Object.entries(HOSTILE_MAILS).map(([name, mail]) => ({
      name: `mail: ${name}`,
      read: async () => {
        const [one] = (await taskOf(mail, reader.htmlToText)).messages
        return { text: one?.text ?? '', note: one?.omitted?.note }
      },
    })),
  ]
  const every = Math.max(1, Math.floor(pages.length / BATCH / waiting.length))
  // A repeated text is written out when it is first read, which is no cost of mail.
  for (const { html } of Object.values(HOSTILE_PAGES)) html.charCodeAt(html.length - 1)
  const before = process.memoryUsage.rss()
  let peak = before
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  await readAll(reader, pages, threads, async batch => {
    peak = Math.max(peak, process.memoryUsage.rss())
    const attack = batch % every === 0 ? waiting.shift() : undefined
    if (!attack) return
    const startedAt = performance.now()
    const { text, note } = await attack.read()
    hostile.push({
      name: attack.name,
      ms: performance.now() - startedAt,
      characters: text.length,
      ...(note === undefined ? {} : { note }),
    })
    peak = Math.max(peak, process.memoryUsage.rss())
  })
  delay.disable()
  return {
    hostile,
    delayP999: delay.percentile(99.9) / NS_PER_MS,
    longestDelay: delay.max / NS_PER_MS,
    growthMb: (peak - before) / BYTES_PER_MB,
    peakMb: peak / BYTES_PER_MB,
  }
}

async function readAll(
  reader: HtmlReader,
  pages: readonly MailPage[],
  threads: readonly MailPage[][],
  meanwhile: (batch: number) => Promise<void> = async () => undefined,
): Promise<void> {
  const texts = new Map<string, string>()
  for (let at = 0; at < pages.length; at += BATCH) {
    const batch = pages.slice(at, at + BATCH)
    const work = batch.map(async ({ id, page }) => texts.set(id, (await reader.htmlToText(page)).text))
    await Promise.all([...work, meanwhile(at / BATCH)])
  }
  for (const thread of threads) {
    trimQuotes(thread.map(({ id }) => ({ id, text: texts.get(id) ?? '' })))
    await turn()
  }
}

function bareLoop(pages: readonly MailPage[]): void {
  const convert = compile()
  for (const { page } of pages) convert(page)
}

async function cpuSeconds(work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1e6
}
