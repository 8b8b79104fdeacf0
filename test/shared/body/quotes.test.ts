import t from 'tap'
import { forwardsIn } from '../../../shared/body/forwards.ts'
import { trimQuotes } from '../../../shared/body/quotes.ts'

const QUESTION = 'Shall we move the launch of the new site to the second week of May?'
const NEWS = 'the printer has told us that they need ten more days for the brochures.'
const EARLIER = `Hello Bob,\n\n${NEWS}\n\n${QUESTION}`
const quoted = (text: string) => text.replace(/^/gm, '> ').replace(/ $/gm, '')
const second = (text: string, more: { first?: string; isForward?: boolean } = {}) =>
  trimQuotes([
    { id: 'm1', text: more.first ?? EARLIER },
    { id: 'm2', text, ...(more.isForward ? { isForward: true } : {}) },
  ])[1]

t.test('a quote goes, and the mail that holds it is named', async t => {
  const answer = 'Let me ask the team and come back to you.'
  t.same(second(`${answer}\n\n${quoted(EARLIER)}`), {
    id: 'm2',
    text: answer,
    removed: [{ from: 'm1', lines: 3, words: 31, characters: 157 }],
    signature: 0,
  })
  const rewrapped = `> ${EARLIER.replaceAll('\n', ' ').replace(/(.{40}\S*) /g, '$1\n>> ')}`
  t.match(second(`${answer}\n\n${rewrapped}`), { text: answer, removed: [{ from: 'm1' }] }, 'broken at other places')
  t.match(second(`${answer}\n\n-----Ana-----\n${EARLIER}`), { text: `${answer}\n\n-----Ana-----` }, 'without marks')
})

t.test('each removal names the first mail that has the words', async t => {
  const reply = `Agreed, the second week it is then.\n\n${quoted(EARLIER)}`
  const [, , third] = trimQuotes([
    { id: 'm1', text: EARLIER },
    { id: 'm2', text: reply },
    { id: 'm3', text: `I will tell the others.\n\n${quoted(reply)}` },
  ])
  t.equal(third?.text, 'I will tell the others.')
  t.same(third?.removed.map(({ from }) => from).sort(), ['m1', 'm2'])
})

t.test('a mail that holds a whole line is named, although an older one has a phrase of it', async t => {
  const stock = 'please let me know what you think'
  const line = `${stock} of moving the launch to the second week of May`
  const mails = [`Hello, ${stock}.`, `Good, but ${line}, and ${stock}.`]
  for (const quote of [line, `${line}, and ${stock}.`]) {
    const texts = [...mails, `Fine.\n\n> ${quote}`]
    const third = trimQuotes(texts.map((text, at) => ({ id: `m${at + 1}`, text })))[2]
    t.match(third, { text: 'Fine.', removed: [{ from: 'm2', lines: 1 }] }, quote)
  }
})

t.test('an answered quote keeps its question, and only that', async t => {
  t.equal(second(`${quoted(EARLIER)}\n\nYes.`)?.text, `> ${QUESTION}\n\nYes.`)
  const both = `Ana wrote:\n${quoted(`Hello Bob,\n\n${NEWS}`)}\n\nOh no.\n\n${quoted(QUESTION)}\n\nYes.\n\n-- \nBob`
  t.equal(second(both)?.text, `Ana wrote:\n> ${NEWS}\n\nOh no.\n\n> ${QUESTION}\n\nYes.`)
  const long = `One two three four five six seven. ${NEWS} Is that\nreally so, or is it only what\nthey say?`
  const asked = '> really so, or is it only what\n> they say?'
  t.equal(second(`${quoted(long)}\nYes.`, { first: long })?.text, `${quoted(long).split('\n')[0]}\n${asked}\nYes.`)
})

t.test('an introduction or a signature is no answer', async t => {
  const first = `${NEWS}\n\n${QUESTION}`
  const reply = `Good.\n\nOn Monday, Ana\n<ana@example.com> wrote:\n${quoted(NEWS)}\n\nand then:\n${quoted(QUESTION)}\n\n-- \nBob`
  t.equal(second(reply, { first })?.text, 'Good.\n\nOn Monday, Ana\n<ana@example.com> wrote:\n\nand then:')
})

t.test('a quote that no earlier mail holds stays', async t => {
  const elsewhere = quoted('These words were written in some other thread, and nobody here has seen them.')
  t.same(second(`See below.\n\n${elsewhere}`), {
    id: 'm2',
    text: `See below.\n\n${elsewhere}`,
    removed: [],
    signature: 0,
  })
})

t.test('a mail that only repeats a sentence keeps it', async t => {
  const vote = 'I approve the budget for the new site as it was sent to all of us on Monday.'
  t.match(second(vote, { first: vote }), { text: vote, removed: [] })
  t.match(second(quoted(vote), { first: vote }), { text: '', removed: [{ from: 'm1' }] })
  t.match(second('Thank you very much indeed.\n\nBob', { first: 'Thank you very much indeed.' }), { removed: [] })
})

t.test('nothing of a forward is removed', async t => {
  const banner = `---------- Weitergeleitete Nachricht ---------\nVon: Ana <ana@example.com>\nAn: Bob\n\n${EARLIER}`
  for (const mark of [
    banner,
    banner.replace(/^-.*/, '-------- Forwarded Message --------'),
    banner.replaceAll(': ', '：'),
  ])
    t.match(second(`FYI\n\n${mark}`), { text: `FYI\n\n${mark}`, removed: [] })
  const plain = `FYI\n\n${EARLIER}\n\n-- \nAna`
  t.same(second(plain, { isForward: true }), { id: 'm2', text: plain, removed: [], signature: 0 })
  t.match(second(plain), { text: 'FYI' })
})

t.test('a forward goes only to people who had no part in the thread', async t => {
  const [ana, bob, cleo, dan] = ['ana', 'bob', 'Cleo', 'dan'].map(name => ({ name, address: `${name}@example.com` }))
  const mail = (from?: typeof ana, to?: typeof ana, cc?: typeof ana) => ({
    from: from ? [from] : [],
    to: to ? [to] : [],
    cc: cc ? [cc] : [],
  })
  const lower = cleo && { ...cleo, address: 'cleo@EXAMPLE.com' }
  const thread = [
    mail(ana, bob),
    mail(bob, ana),
    mail(bob, cleo),
    mail(cleo, bob),
    mail(bob, lower),
    mail(bob, dan, ana),
    mail(ana),
  ]
  t.same(forwardsIn(thread), [false, false, true, false, false, false, false])
})

t.test('signatures and footers go, and are counted', async t => {
  const signature = '-- \nBob Example\n+45 12 34 56 78'
  t.match(second(`Yes.\n\n${signature}`), { text: 'Yes.', signature: signature.length + 1 })
  t.match(second(`Yes.\n${signature.replace('-- ', '--')}\n\n> Something else that is not in the mail above.`), {
    text: 'Yes.\n> Something else that is not in the mail above.',
  })
  const footer = `${'_'.repeat(47)}\nannounce mailing list\nhttps://lists.example.com/announce`
  t.match(second(`Yes.\n\n${footer}`), { text: 'Yes.', signature: footer.length + 1 })
  const pgp = '-----BEGIN PGP SIGNATURE-----\n\niQEzBAEBCAAdFiEE\n=abcd\n-----END PGP SIGNATURE-----'
  t.match(second(`Yes.\n${pgp}`), { text: 'Yes.', signature: pgp.length + 1 })
  const rule = `Yes.\n\n${'-'.repeat(40)}\nChapter two`
  t.match(second(rule), { text: rule, signature: 0 }, 'a rule above text is no footer')
  const long = `Yes.\n\n-- \n${'A line of text.\n'.repeat(30)}end`
  t.match(second(long), { text: long, signature: 0 }, 'a long end is text')
})

t.test('a quoted line with anything new stays', async t => {
  const first = 'Are you coming at noon, or do you pay 5.000 € now?\n[ ] I do not accept this offer of yours.'
  const [question = '', box = ''] = first.split('\n')
  const changed = [
    `${question} ✅`,
    question.replace('€', '%'),
    question.replace('5.000', '-5.000'),
    question.replace('5.000', '5,000'),
    question.replace('now?', 'now!'),
    box.replace('[ ]', '☑'),
    `[ ] ${question}`,
  ]
  for (const line of changed)
    t.match(second(`See below.\n\n${quoted(line)}`, { first }), { text: `See below.\n\n> ${line}`, removed: [] }, line)
  t.match(second(`See below.\n\n${quoted(first)}`, { first })?.text, /^See below\.$/)
  t.match(second(`${quoted(first)}\n👍`, { first }), { text: `> ${box}\n👍` }, 'a symbol is an answer')
})

t.test('a quoted line without a word of the earlier mail stays', async t => {
  const first = 'We have read the contract and we do not accept the price that you named in it last week.\nCall me.'
  const line = first.split('\n')[0] ?? ''
  t.equal(second(`Noted.\n\n${quoted(first)}`, { first })?.text, 'Noted.')
  for (const word of ['not ', 'that you ', 'and ']) {
    const altered = `> ${line.replace(word, '')}`
    t.equal(second(`Noted.\n\n${altered}`, { first })?.text, `Noted.\n\n${altered}`, word)
  }
  const moved = '> that you named in it last week we have read the contract and we do'
  t.equal(second(`Noted.\n\n${moved}`, { first })?.text, `Noted.\n\n${moved}`, 'another order')
})

t.test('text below a delimiter stays', async t => {
  const isKept = (text: string, name: string) => t.match(second(text), { text, signature: 0 }, name)
  isKept('--\nNo. The contract is cancelled, and we want our money', 'all text of a mail')
  isKept('-- \nNo', 'all text of a mail, below a whole delimiter')
  t.equal(second(`--\nNo\n\n${quoted(EARLIER)}`)?.text, `--\nNo`, 'all that is new')
  isKept('Hello Ana,\n--\nNo. The contract is cancelled.', 'a sentence')
  isKept(`Agenda:\n--\n${Array.from({ length: 14 }, (_, at) => `Point ${at}`).join('\n')}`, 'many lines')
  isKept(`Yes.\n\n--\n${'word '.repeat(30)}`.trim(), 'a long line')
  const rule = '_'.repeat(30)
  isKept(`Yes.\n\n${rule}\nBut write to ana@example.com first, because\nshe has to agree.`, 'a paragraph below a rule')
  const pgp = (lines: string) => `Yes.\n-----BEGIN PGP SIGNATURE-----\n\n${lines}\n-----END PGP SIGNATURE-----`
  isKept(pgp(`${'iQEzBAEBCAAdFiEE\n'.repeat(500)}=abcd`), 'more than an OpenPGP signature')
  isKept(pgp('iQEzBAEBCAAdFiEE\nI do not agree\n=abcd'), 'words in an OpenPGP signature')
  t.match(second(pgp(`Version: GnuPG v2\n\n${`${'iQEz'.repeat(16)}\n`.repeat(14)}=abcd`)), { text: 'Yes.' })
})

t.test('quotes go in scripts without blanks between words', async t => {
  const earlier = {
    Japanese: '印刷会社から、パンフレットの納品があと十日かかると連絡がありました。',
    Chinese: '印刷厂通知我们说宣传册还需要再等十天才能完成交付。',
    Thai: 'โรงพิมพ์แจ้งว่าต้องใช้เวลาอีกสิบวันสำหรับโบรชัวร์',
    Arabic: 'أخبرتنا المطبعة أنها تحتاج إلى عشرة أيام أخرى من أجل الكتيبات',
    Hebrew: 'בית הדפוס הודיע לנו שהם צריכים עוד עשרה ימים בשביל החוברות',
    Korean: '인쇄소에서 안내 책자에 열흘이 더 필요하다고 우리에게 알려 왔습니다',
    Danish: 'trykkeriet siger, at de skal bruge ti dage mere til brochurerne',
  }
  for (const [language, text] of Object.entries(earlier)) {
    t.match(
      second(`OK\n\n${quoted(text)}`, { first: text }),
      { text: 'OK', removed: [{ from: 'm1', lines: 1 }] },
      language,
    )
  }
  const thanks = 'ありがとうございます。'
  t.match(second(`${thanks}\n明日送ります。`, { first: thanks }), { removed: [] }, 'a short courtesy stays')
})

t.test('long threads are read from the newest mail, and what is not read stays', async t => {
  const text = Array.from({ length: 20_000 }, (_, at) => `w${at}`).join(' ')
  const mails = trimQuotes(['m1', 'm2', 'm3', 'm4', 'm5'].map(id => ({ id, text: `${id}\n\n${quoted(text)}` })))
  t.same(
    mails.map(({ text: { length } }) => length < 10),
    [false, false, false, false, true],
  )
})

t.test('hostile texts take linear time', async t => {
  const words = [
    'a '.repeat(100_000),
    '> '.repeat(100_000),
    'a b '.repeat(50_000),
    '\n'.repeat(200_000),
    '>'.repeat(200_000),
  ]
  const lines = ['-- \n'.repeat(50_000), `${'_'.repeat(40)}\n`.repeat(5000), '> a\nb:\n'.repeat(30_000)]
  const banners = `${'-'.repeat(10)} a a ${'-'.repeat(10)}\n`.repeat(8000)
  const startedAt = process.cpuUsage()
  for (const text of [...words, ...lines, banners]) trimQuotes([1, 2, 3].map(id => ({ id: `m${id}`, text })))
  const ms = process.cpuUsage(startedAt).user / 1000
  t.ok(ms < 5000, `${ms.toFixed(0)} ms`)
})
