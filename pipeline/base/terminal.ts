const READER_GONE = new Set(['EPIPE', 'ECONNRESET', 'EIO', 'EOF', 'ERR_STREAM_DESTROYED'])
// Joiners stay: emoji and several scripts are written with them, and no terminal obeys them.
const OBEYED = /(?![\n\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu
const OBEYED_OR_BREAK = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

const gone = new AbortController()
let failure: NodeJS.ErrnoException | undefined

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (READER_GONE.has(error.code ?? '')) return gone.abort()
  if (!failure) err(`mailsluice: the output cannot be written: ${error.message}`)
  failure ??= error
})
// There is nowhere left to tell of it, and it is no reason to break off what is under way.
process.stderr.on('error', () => undefined)

/** Aborted once nobody reads stdout any more, as after `| head -1`. Writing goes on in silence. */
export const readerGone: AbortSignal = gone.signal

/** For what draws itself on stderr, such as a progress bar. No text of others goes there. */
export const screen: NodeJS.WriteStream = process.stderr

/** Whether output was lost, the last line too, and not because its reader left: a full disk, for instance. */
export async function isOutputLost(): Promise<boolean> {
  // A write that failed says so only after it.
  await new Promise(resolve => setImmediate(resolve))
  return failure !== undefined
}

/**
 * The text with each character that a terminal obeys or that reorders a line as `\uXXXX`: control characters (C0 but tab and line feed,
 * DEL, C1), bidirectional and other invisible formats, and lone surrogates. JSON stays JSON of the same value.
 */
export function printable(text: string): string {
  return text.replace(OBEYED, escaped)
}

/** As `printable`, for a text that has to stay on its line: tabs and line feeds are escaped, too. */
export function printableLine(text: string): string {
  return text.replace(OBEYED_OR_BREAK, escaped)
}

/** Lines for people, each printable and one line only. */
export function printableLines(lines: readonly string[]): string {
  return lines.map(printableLine).join('\n')
}

/** Writes a line to stdout, printable; to nobody where its reader has left. */
export function out(text: string): void {
  if (!gone.signal.aborted) process.stdout.write(`${printable(text)}\n`)
}

/** Writes a line to stderr, printable. */
export function err(text: string): void {
  process.stderr.write(`${printable(text)}\n`)
}

/** Writes a line to stderr that stands above a progress bar, colours and all: what it quotes has to be printable already. */
export function errAboveBar(text: string): void {
  process.stderr.write(`\r\u001b[K${text}`)
}

function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index))
  return units.map(unit => `\\u${unit.toString(16).padStart(4, '0')}`).join('')
}
