import { memoryMailbox, type SimMailbox } from '../../sim/mailbox.ts'

/** A simulated mailbox of `count` short mails, dealt out to `threads` threads by their reply headers. */
export function testMailbox(address: string, count: number, threads: number): SimMailbox {
  return memoryMailbox(
    address,
    Array.from({ length: count }, (_, index) => ({
      raw: testMail(index, threads),
      receivedAtMs: 1_790_000_000_000 + index * 60_000,
    })),
  )
}

/** The mail at a place in such a mailbox. */
export function testMail(index: number, threads: number): string {
  const reply = index >= threads ? [`In-Reply-To: <${index - threads}@example.com>`] : []
  return [
    'From: Bo <bo@example.com>',
    'To: Ana <ana@example.com>',
    `Subject: ${index >= threads ? 'Re: ' : ''}Topic ${index % threads}`,
    `Message-ID: <${index}@example.com>`,
    ...reply,
    '',
    `This is mail ${index}.`,
  ].join('\r\n')
}
