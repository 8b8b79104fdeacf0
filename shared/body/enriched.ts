const TOKEN = /<<|<(\/?)([a-z\d-]{1,60})>|\r?\n(?:\r?\n)*|[^<\r\n]+|[\s\S]/gi

/**
 * Returns the words of a text in `text/enriched` (RFC 1896) or, if that is not so, in the older `text/richtext` (RFC 1341), without commands
 * and their parameters. Takes linear time.
 */
export function enrichedText(source: string, isEnriched: boolean): string {
  const written: string[] = []
  let parameters = 0
  let verbatim = 0
  for (const [token, slash = '', name = ''] of source.matchAll(TOKEN)) {
    const command = name.toLowerCase()
    const step = slash === '' ? 1 : -1
    if (command === 'nofill') verbatim = Math.max(0, verbatim + step)
    if (command === 'param' || command === 'comment') parameters = Math.max(0, parameters + step)
    else if (parameters > 0) continue
    else if (command !== '') written.push(breakFor(command, slash !== '', isEnriched))
    else if (token === '<<') written.push('<')
    else if (token.includes('\n') && verbatim === 0) written.push(joinedLines(token, isEnriched))
    else written.push(token)
  }
  return written.join('')
}

function breakFor(command: string, isEnd: boolean, isEnriched: boolean): string {
  if (isEnriched) return ''
  if (command === 'lt') return '<'
  return command === 'nl' || (command === 'paragraph' && isEnd) ? '\n' : ''
}

// Of lines in a row, the first break only wraps the text; in the older form all of them do.
function joinedLines(breaks: string, isEnriched: boolean): string {
  const count = breaks.split('\n').length - 1
  return isEnriched && count > 1 ? '\n'.repeat(count - 1) : ' '
}
