const LONGEST_HEADER = 4000

/** Returns a parameter of a header such as `text/plain; charset="utf-8"`, without quotes; empty if it has none. */
export function parameterOf(header: string, name: string): string {
  for (const one of header.slice(0, LONGEST_HEADER).split(';').slice(1)) {
    const equals = one.indexOf('=')
    if (equals > 0 && one.slice(0, equals).trim().toLowerCase() === name) {
      return one
        .slice(equals + 1)
        .replaceAll('"', '')
        .trim()
    }
  }
  return ''
}
