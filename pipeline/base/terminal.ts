const READER_GONE = new Set(['EPIPE', 'ECONNRESET', 'EIO', 'EOF', 'ERR_STREAM_DESTROYED'])
// Joiners stay: emoji and several scripts need them, and terminals do not interpret them.
const CONTROL = /(?![\n\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu
const CONTROL_OR_BREAK = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

const gone = new AbortController()
let failure: NodeJS.ErrnoException | undefined

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (READER_GONE.has(error.code ?? '')) return gone.abort()
  if (!failure) err(`mailsluice: cannot write the output: ${error.message}`)
  failure ??= error
})
// No output is left to report this on, and in-flight work should still finish.
process.stderr.on('error', () => undefined)

/** Aborts when stdout has no reader any more, as after `| head -1`. Later writes are dropped silently. */
export const readerGone: AbortSignal = gone.signal

/** The stderr stream for widgets such as a progress bar. Text from outside must not go there. */
export const screen: NodeJS.WriteStream = process.stderr

/** Returns whether output was lost for another reason than a missing reader, such as a full disk; covers the last line. */
export async function isOutputLost(): Promise<boolean> {
  // A failed write reports its error in a later turn.
  await new Promise(resolve => setImmediate(resolve))
  return failure !== undefined
}

/**
 * Escapes characters that a terminal interprets or that reorder a line as `\uXXXX`: control characters (C0 except tab and line feed, DEL,
 * C1), bidirectional and other invisible formats, and lone surrogates. JSON stays JSON with the same value.
 */
export function printable(text: string): string {
  return text.replace(CONTROL, escaped)
}

/** Escapes like `printable`, and also tabs and line feeds, so that the text stays on one line. */
export function printableLine(text: string): string {
  return text.replace(CONTROL_OR_BREAK, escaped)
}

/** Joins lines for people; each stays printable and on one line. */
export function printableLines(lines: readonly string[]): string {
  return lines.map(printableLine).join('\n')
}

/** Writes a printable line to stdout; drops it where stdout has no reader any more. */
export function out(text: string): void {
  if (!gone.signal.aborted) process.stdout.write(`${printable(text)}\n`)
}

/** Writes a printable line to stderr. */
export function err(text: string): void {
  process.stderr.write(`${printable(text)}\n`)
}

/** Writes a line with its colours to stderr above a progress bar; the caller escapes quoted text. */
export function errAboveBar(text: string): void {
  process.stderr.write(`\r\u001b[K${text}`)
}

function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index))
  return units.map(unit => `\\u${unit.toString(16).padStart(4, '0')}`).join('')
}
