import { writeFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { loadMail } from '../../sim/mbox.ts'

const SEPARATOR = 'From bo@example.com Mon Jan  1 10:00:00 2024\n'
const HEADERS = 'From: bo@example.com\nDate: Mon, 1 Jan 2024 10:00:00 +0000\nSubject: one\n\n'
const PATCH = (digit: string) =>
  `From ${digit.repeat(40)} Mon Sep 17 00:00:00 2001\nFrom: Bo <bo@example.com>\nDate: Mon, 1 Jan 2024 10:00:00 +0000\nSubject: [PATCH] x\n\n---\n a | 1 +\n\n`

async function countIn(t: Test, mbox: string): Promise<number> {
  const path = `${t.testdir({})}/a.mbox`
  await writeFile(path, mbox, 'latin1')
  return (await loadMail(path)).size
}

t.test('a patch of git in a mail is part of it, and a mail where all are patches', async t => {
  t.equal(await countIn(t, `${SEPARATOR}${HEADERS}See:\n\n${PATCH('4')}${SEPARATOR}${HEADERS}Bye\n`), 2)
  t.equal(await countIn(t, `${PATCH('4')}${PATCH('5')}`), 2)
})

t.test('dated lines of a log begin no mail', async t => {
  const log = 'From server1 Mon Jan  1 10:00:00 2024\nError: disk full\nCode: 7\n\n'
  t.equal(await countIn(t, `${SEPARATOR}${HEADERS}See:\n\n${log}${SEPARATOR}${HEADERS}Bye\n`), 2)
})

t.test('a mail begins where seals fill all that is read of its headers', async t => {
  const seal = `ARC-Seal: ${'a'.repeat(900)}\n`.repeat(8)
  t.equal(await countIn(t, `${SEPARATOR}${HEADERS}Hi\n\n${SEPARATOR}${seal}${HEADERS}Bye\n`), 2)
})
