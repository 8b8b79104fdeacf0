import fc from 'fast-check'
import t from 'tap'
import { createLinkFilter } from '../../../shared/ai/links.ts'

const MAIL = [
  'See https://acme.example/a/b?x=1#top, www.acme.example/plan and report.pdf.',
  'Ana <ana@acme.example> wrote; call Tel:+49301234567.',
  'https://en.wiki.example/wiki/A_(b), also \u8acb\u770bhttps://zh.example.cn/p\uff0c\u8c22\u8c22 and https://m\u00fcnchen.example/',
  'An odd one: javascript:alert(1) and data:text/html,hi',
]
const filter = createLinkFilter(MAIL)
const texts = (text: string) => filter(text).text
const GONE = '[link removed]'

t.test('what stands in the mail stays', async t => {
  const kept = [
    'See https://acme.example/a/b?x=1#top.',
    '(https://acme.example/a/b?x=1#top), "https://acme.example/a/b?x=1#top"!',
    'HTTPS://ACME.EXAMPLE/a/b?x=1#top',
    '**www.acme.example/plan**, http://www.acme.example/plan/',
    'acme.example and report.pdf',
    '[plan](https://www.acme.example/plan) [plan](<https://www.acme.example/plan> "title")',
    '<https://www.acme.example/plan>',
    'ana@acme.example, Ana<ana@acme.example>; mailto:ana@acme.example ANA@ACME.EXAMPLE',
    'https://en.wiki.example/wiki/A_(b).',
    'https://xn--mnchen-3ya.example',
    'Tel:+49301234567',
    'No link: 3.5, e.g., z.B. f.eks. EE.UU. 10:30, a/b, and/or, C:\\x, x < y > z, f[0](x), <Ana Lee>, Data: 5',
  ]
  for (const text of kept) t.same(filter(text), { text, links: 0, addresses: 0, images: 0 })
})

t.test('links that no mail has are removed, in every notation', async t => {
  const foreign = [
    'https://evil.example/?q=secret',
    'http://evil.example',
    'evil.example',
    'evil.example/path?q=secret',
    'www.evil.example',
    '//evil.example/x',
    'ftp://evil.example/x',
    'http://10.0.0.1/x',
    'http://localhost:8080/x',
    'http:\\\\evil.example',
    '&#104;ttps://evil.example',
    'evil&#46;example',
    'evil&period;example/x',
    'https%3A%2F%2Fevil.example%2Fx',
    'https%253A%252F%252Fevil.example',
    'evil%2Eexample',
    'e\u200bvil.ex\u00adample/x',
    'https://ev\u2060il.example',
    '\u0435vil.example',
    '\u0430cme.example',
    'ac\u043ce.example/a/b?x=1#top',
    '\uff45\uff56\uff49\uff4c\uff0e\uff45\uff58\uff41\uff4d\uff50\uff4c\uff45',
    'evil\u3002example/x',
    'xn--cme-8cd.example',
    'javascript:alert(1)',
    'JavaScript&colon;alert(1)',
    'data:text/html,<b>hi',
    'vbscript:msgbox',
    'https://acme.example/a/b?x=1#top&secret',
    'https://acme.example/a/b?x=1',
    'https://acme.example.evil.example/',
    'https://acme.example@evil.example/',
    'https://ana@acme.example/',
    'mailto:ana@acme.example?body=secret',
    'magnet:?xt=urn:btih:secret',
    'tel:+1555secret',
    'secret.acme.example',
    'ev\\.il.example',
  ]
  for (const link of foreign) {
    const found = filter(`See ${link} now`)
    t.ok(found.links > 0, JSON.stringify(link))
    t.match(found.text, /^See \[link removed\].{0,6} now$/, JSON.stringify(link))
  }
})

t.test('nothing can be appended to a link of the mail', async t => {
  const known = 'https://www.acme.example/plan'
  for (const more of [
    '(secret)',
    ',secret',
    '"secret',
    "'secret",
    ';secret',
    ']secret',
    '\u79d8\u5bc6',
    '\uff0csecret',
    '|secret',
  ])
    t.equal(texts(`${known}${more}`), `${known} ${more}`, JSON.stringify(more))
  for (const more of [
    '/secret',
    '?secret',
    '#secret',
    '&secret',
    '%20secret',
    '.secret',
    '@secret',
    '*secret',
    '~secret',
  ])
    t.equal(texts(`${known}${more}`), GONE, more)
  t.equal(texts(`${known}\u00a0secret`), `${known} secret`, 'a blank that some readers take for a part of the link')
  t.equal(texts(`${known}<secret`), `${known}<secret`)
})

t.test('addresses that no mail has are removed', async t => {
  t.same(filter('Ask ana@acme.example, bob@evil.example; cy@evil.example'), {
    text: 'Ask ana@acme.example, [address removed]; [address removed]',
    links: 0,
    addresses: 2,
    images: 0,
  })
  for (const address of [
    'ana@acme.example.evil.example',
    'ana+x@acme.example',
    'a\u200bb@evil.example',
    'bob&commat;evil.example',
    'bob@evil&#46;example',
  ]) {
    const found = filter(`To ${address}!`)
    t.ok(found.addresses + found.links > 0, address)
    t.notMatch(found.text, /evil|ana\+|@acme/, address)
  }
})

t.test('images go, whether or not the mail has their link; so do links of Markdown and tags of HTML', async t => {
  const table: [string, string, object][] = [
    ['a ![x](https://evil.example/p) b', 'a  b', { images: 1 }],
    ['a ![x](https://www.acme.example/plan) b', 'a  b', { images: 1 }],
    ['![x][ref]\n[ref]: https://evil.example/p', '\n[ref]: [link removed]', { images: 1, links: 1 }],
    ['![x]', '', { images: 1 }],
    ['![a [b] c](d(e)f)', '', { images: 1 }],
    ['![never closed https://evil.example', 'never closed [link removed]', { images: 1, links: 1 }],
    ['<img src=https://evil.example/p>', '', { images: 1 }],
    ['<IMG\nSRC="https://evil.example/p"\n>', '', { images: 1 }],
    ['<svg/onload=alert(1)>', '', { images: 1 }],
    ['<img src=https://evil.example/p', 'img [link removed]', { images: 1, links: 1 }],
    ['<i\u200bmg src=x>', '', { images: 1 }],
    ['<im<b>g src="https://evil.example/p">', '', { images: 1 }],
    ['<<img src=x>img src=x>', '', { images: 2 }],
    ['!<b></b>[x](https://www.acme.example/plan)', '', { images: 1 }],
    ['<iframe src="//evil.example"></iframe>', '', { images: 2 }],
    ['<a href="https://evil.example/">here</a>', 'here', { links: 1 }],
    ['<b onclick="x()">bold</b>', 'bold', { links: 1 }],
    ['<!-- hidden --><?x?>', '', {}],
    ['[here](https://evil.example)', '[here]', { links: 1 }],
    ['[here](/relative?q=secret)', '[here]', { links: 1 }],
    ['[here](<evil.example/a b>)', '[here]', { links: 1 }],
    ['[here](javascript:alert(1))', '[here]', { links: 1 }],
    ['[here](https://evil.example "title")', '[here]', { links: 1 }],
    ['[here]\n\n[here]: <https://evil.example>', `[here]\n\n[here]: <${GONE}>`, { links: 1 }],
    ['<https://evil.example>', `<${GONE}>`, { links: 1 }],
  ]
  for (const [text, clean, counts] of table)
    t.same(filter(text), { text: clean, links: 0, addresses: 0, images: 0, ...counts }, JSON.stringify(text))
})

t.test('code never links, even where a mail has it', async t => {
  t.notMatch(texts('javascript:alert(1) data:text/html,hi'), /alert|html/)
})

t.test('no foreign host and no image is left of any mixture', async t => {
  const pieces = [
    'https://',
    'evil.example',
    '/',
    '?q=',
    '![',
    '](',
    ')',
    '[',
    ']',
    '<',
    '>',
    'img ',
    '<b>',
    '!',
    'im',
    'g ',
    'src=',
    '"',
    ' ',
    '\n',
    '\\',
    '%2e',
    '&#46;',
    '@',
    'ana',
    'www.',
    'acme.example',
    ':',
    '//',
    '\u200b',
    'javascript:',
    '(',
    "'",
    ',',
  ]
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 30 }), parts => {
      const once = texts(parts.join(''))
      if (/evil\.example/.test(once.replace(/\\|\u200b/g, ''))) throw new Error(`left: ${JSON.stringify(once)}`)
      if (/!\[|<img/.test(once)) throw new Error(`an image: ${JSON.stringify(once)}`)
    }),
    { numRuns: 3000 },
  )
  t.pass('3,000 texts')
})

t.test('no text takes long', async t => {
  const units = [
    '![',
    '](',
    '<a ',
    '<img',
    '&#46;',
    '%25',
    'a.b',
    'https://acme.example/,',
    'www.acme.example/plan,',
    '@',
    'a@b.cc,',
    '.',
    '\\',
    '(',
    '[',
    '<!',
    '\u200b',
    '://',
    'a:',
  ]
  for (const unit of units) {
    const started = performance.now()
    filter(unit.repeat(100_000 / unit.length))
    const took = performance.now() - started
    t.ok(took < 3000, `${JSON.stringify(unit)}: ${Math.round(took)} ms`)
  }
})
