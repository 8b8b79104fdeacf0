import type { BATCH_FAULTS } from './faults.ts'

/** The answer to a batch: its Content-Type and its body. */
export interface BatchAnswer {
  type: string
  text: string
}

/** Damages a batch answer in one way; `random` in [0, 1) decides the details. */
export function spoilBatch(
  kind: (typeof BATCH_FAULTS)[number],
  { type, text }: BatchAnswer,
  random: () => number,
): BatchAnswer {
  switch (kind) {
    case 'shuffled':
      return { type, text: withParts(text, parts => shuffle(parts, random)) }
    case 'unusable-ids':
      return { type, text: text.replace(/^Content-ID: .*$/gm, 'Content-ID: response-') }
    case 'missing-part':
      return { type, text: withParts(text, parts => parts.toSpliced(pick(parts, random), 1)) }
    case 'part-not-json':
      return { type, text: withParts(text, parts => withBody(parts, pick(parts, random), '<html>Sorry.</html>')) }
    case 'part-without-body':
      return { type, text: withParts(text, parts => withBody(parts, pick(parts, random), '')) }
    case 'malformed':
      return malformed({ type, text }, random)
    case 'truncated':
      return { type, text: text.slice(0, Math.floor(random() * text.length)) }
  }
}

/** Uses another boundary than announced, none at all, or no multipart. */
function malformed({ type, text }: BatchAnswer, random: () => number): BatchAnswer {
  const ways: readonly BatchAnswer[] = [
    { type: type.replace(/boundary=.*/, 'boundary=batch_another'), text },
    { type: 'multipart/mixed', text },
    { type: 'text/html; charset=UTF-8', text: '<!DOCTYPE html><title>Error</title>\n' },
  ]
  return ways[pick(ways, random)] ?? { type, text }
}

/** Changes the parts of an answer; text before the first boundary and after the last is dropped. */
function withParts(text: string, change: (parts: string[]) => string[]): string {
  const boundary = text.slice(0, text.indexOf('\r\n'))
  const [before = '', ...rest] = text.split(boundary)
  const after = rest.pop() ?? ''
  return [before, ...change(rest), after].join(boundary)
}

/** Replaces the body of one part; its status and headers stay. */
function withBody(parts: readonly string[], at: number, body: string): string[] {
  return parts.map((part, index) => {
    if (index !== at) return part
    const [head = '', http = ''] = part.split('\r\n\r\n')
    return `${head}\r\n\r\n${http}\r\n\r\n${body}\r\n`
  })
}

function shuffle(parts: readonly string[], random: () => number): string[] {
  const left = [...parts]
  return parts.flatMap(() => left.splice(pick(left, random), 1))
}

function pick(from: readonly unknown[], random: () => number): number {
  return Math.floor(random() * from.length)
}
