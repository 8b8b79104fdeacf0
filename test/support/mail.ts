import { memoryMailbox, type SimMailbox } from '../../sim/mailbox.ts'

/** Builds a simulated mailbox of `count` short mails, distributed over `threads` threads by their reply headers. */
export function testMailbox(address: string, count: number, threads: number): SimMailbox {
  return memoryMailbox(
    address,
    Array.from({ length: count }, (_, index) => ({
      raw: testMail(index, threads),
      receivedAtMs: 1_790_000_000_000 + index * 60_000,
    })),
  )
}

/** Builds the mail at an index of such a mailbox. */
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

/** Builds a short numbered mail to Ana, as a reply to another number where one is given. */
export function numberedMail(number: number, answers?: number): string {
  return [
    'From: Bo <bo@example.com>',
    'To: Ana <ana@example.com>',
    `Subject: Subject ${number}`,
    `Message-ID: <${number}@example.com>`,
    ...(answers === undefined ? [] : [`In-Reply-To: <${answers}@example.com>`]),
    '',
    `This is mail ${number}.`,
    '',
  ].join('\r\n')
}
