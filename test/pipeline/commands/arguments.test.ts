import t from 'tap'
import {
  checked,
  historyId,
  oneStage,
  parseStages,
  webAddress,
  wholeNumber,
  word,
} from '../../../pipeline/commands/arguments.ts'
import { parseMailboxId } from '../../../shared/mailbox.ts'

t.test('all options follow the rules of settings', async t => {
  const port = checked(wholeNumber(0, 65_535))
  t.equal(port(' 8080\r'), 8080)
  t.equal(port('0'), 0)
  for (const text of ['', ' ', '1e3', '0x10', '"8080"', '8080 # gateway', '+1', '1.0', '99999'])
    t.throws(() => port(text), /use /, `"${text}" is no port`)
  const parsers = [word, webAddress, oneStage, historyId, parseStages, parseMailboxId, wholeNumber(0, 9)]
  for (const parse of parsers)
    for (const text of ['"merge"', "'5'", `$\{NAME}`, '5 # five', '5\u200b5'])
      t.throws(() => checked<unknown>(parse)(text), { code: 'commander.invalidArgument' }, text)
  t.equal(checked(word)('\ufeffone '), 'one')
  t.throws(() => checked(word)('one two'), /use one word/)
})

t.test('a mailbox argument is one address', async t => {
  t.equal(parseMailboxId(" outlook:O'Neil@Example.com\r\n"), "outlook:o'neil@example.com")
  for (const text of [
    'gmail:ana@example.com;bo@example.com',
    'gmail:ana@example.com,bo@example.com',
    'gmail:"ana@example.com"',
    'gmail:<ana@example.com>',
    'gmail:ana@bo@example.com',
    'gmail:ana\u001b[2J@example.com',
    'gmail:ana@exam\u009bple.com',
  ])
    t.throws(() => parseMailboxId(text), /is not a mailbox/, text)
})
