const READER_GONE = new Set(['EPIPE', 'ECONNRESET', 'EIO', 'EOF', 'ERR_STREAM_DESTROYED'])
// Joiners stay: emoji and several scripts need them, and terminals do not interpret them.
const CONTROL = /(?![\n\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu
const CONTROL_OR_BREAK = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

/** The output of the process: stdout and stderr. */
export interface Terminal {
  /** Aborts when stdout has no reader any more, as after `| head -1`. Later writes are dropped silently. */
  readerGone: AbortSignal
  /** The stderr stream for widgets such as a progress bar. Text from outside must not go there. */
  screen: NodeJS.WriteStream
  /** Returns whether output was lost for another reason than a missing reader, such as a full disk; covers the last line. */
  isOutputLost(): Promise<boolean>
  /** Writes a printable line to stdout; drops it where stdout has no reader any more. */
  out(text: string): void
  /** Writes a printable line to stderr. */
  err(text: string): void
  /** Writes a line with its colours to stderr above a progress bar; the caller escapes quoted text. */
  errAboveBar(text: string): void
}

/** Opens the output of the process, once: each call listens for its errors. */
export function openTerminal(): Terminal {
  const gone = new AbortController()
  let failure: NodeJS.ErrnoException | undefined
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (READER_GONE.has(error.code ?? '')) return gone.abort()
    if (!failure) err(`mailsluice: cannot write the output: ${error.message}`)
    failure ??= error
  })
  // No output is left to report this on, and in-flight work should still finish.
  process.stderr.on('error', () => undefined)

  return {
    readerGone: gone.signal,
    screen: process.stderr,
    async isOutputLost() {
      // A failed write reports its error in a later turn.
      await new Promise(resolve => setImmediate(resolve))
      return failure !== undefined
    },
    out(text) {
      if (!gone.signal.aborted) process.stdout.write(`${printable(text)}\n`)
    },
    err,
    errAboveBar: text => void process.stderr.write(`\r\u001b[K${text}`),
  }

  function err(text: string): void {
    process.stderr.write(`${printable(text)}\n`)
  }
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

function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index))
  return units.map(unit => `\\u${unit.toString(16).padStart(4, '0')}`).join('')
}
