import { writeFile } from 'node:fs/promises'
import t from 'tap'
import { loadMail } from '../../sim/mbox.ts'

t.test('an export in Portuguese of either country shows its trash, whatever the gender of its labels', async t => {
  for (const [trash, given] of [
    ['Lixo', 'Portugal'],
    ['Lixeira', 'Brazil'],
  ] as const) {
    const labels = ['Caixa de entrada,Aberta', 'Enviada', 'Spam,Não lidas', `${trash},Abertas`, 'Rascunhos,Arquivadas']
    const mails = labels.map(
      (names, index) =>
        `From ${index}@xxx Mon Jan 01 10:00:00 +0000 2024\nX-Gmail-Labels: =?utf-8?B?${Buffer.from(names).toString('base64')}?=\nSubject: ${index}\n\nHi.\n\n`,
    )
    const path = `${t.testdir({})}/a.mbox`
    await writeFile(path, mails.join(''))
    const mailbox = await loadMail(path)
    const found = labels.map((_, index) => mailbox.message(index).labels)
    t.strictSame(found, [['INBOX'], ['SENT'], ['SPAM', 'UNREAD'], ['TRASH'], ['DRAFT']], given)
  }
})
