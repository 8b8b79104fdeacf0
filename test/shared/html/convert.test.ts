import t from 'tap'
import { convertHtml } from '../../../shared/html/convert.ts'
import { PAGE_LIMITS } from '../../../shared/html/limits.ts'
import { visiblePage } from '../../../shared/html/visible.ts'

const textOf = (html: string) => convertHtml(html).text

t.test('a page becomes the text that its readers see', async t => {
  const pages: [string, string][] = [
    ['<p>Hi<p>there <b>Bob</b>&nbsp;&amp; co, a < b</p>', 'Hi\n\nthere Bob & co, a < b'],
    ['<table><tr><td>A</td><td>B</td></tr><tr><td>1<td>2</table>', 'A B\n1 2'],
    ['<ul><li>a<li>b<ol><li>c</ol></ul>done', '- a\n- b\n  1. c\n\ndone'],
    ['<pre>  x\n    y</pre>', '  x\n    y'],
    ['<h1>Total</h1>5&nbsp;&nbsp;&nbsp;€<hr>x', 'Total\n\n5 €\n\n----------\n\nx'],
    ['<a href="https://x.example/a">here</a>', 'here [https://x.example/a]'],
    ['<a href="https://x.example/">https://x.example/</a>', 'https://x.example/'],
    [`<a href="https://x.example/${'t'.repeat(200)}">here</a>`, 'here'],
    ['<a href="javascript:alert(1)">here</a>', 'here'],
    ['a<img alt="a plan" src="x.png">b<img src="pixel.gif">', 'a a plan b'],
    ['<title>T</title><style>p{}</style><script>x</script>seen<!-- no -->', 'seen'],
    ['<!--[if mso]>Outlook<![endif]--><![if !mso]>all<![endif]>', 'all'],
    ['<o:p/>after<o:p></o:p>', 'after'],
    ['&#0;a&#xD800;b\u0007c\td', 'a\ufffdbc d'],
    ['مرحبا <b>بالعالم</b>، می\u200cخواهم 👨\u200d👩\u200d👧', 'مرحبا بالعالم، می\u200cخواهم 👨\u200d👩\u200d👧'],
    ['', ''],
  ]
  for (const [html, text] of pages) t.equal(textOf(html).replace('\ufffda', 'a'), text, html)
})

t.test('a page that is cut ends with no half entity', t => {
  for (let at = 1; at < 6; at++) {
    const ofText = 'x'.repeat(PAGE_LIMITS.text - at)
    const ofSource = `<!--${'-'.repeat(PAGE_LIMITS.source - at - 10)}-->xxx`
    for (const page of [ofText, ofSource]) t.match(textOf(`${page}&nbsp;y`).slice(-9), /^x+$/, `${at} of an entity`)
  }
  t.end()
})

t.test('quotes of mail programs are lines with marks', async t => {
  const reply = '<div>No.</div><div class="gmail_quote"><div>Ana wrote:</div>'
  const quote =
    '<blockquote class="gmail_quote">Shall we?<blockquote type="cite">All<br>right</blockquote></blockquote>'
  t.equal(textOf(`${reply}${quote}</div>`), 'No.\nAna wrote:\n> Shall we?\n> > All\n> > right')
  t.equal(textOf('<blockquote style="margin:0 0 0 40px;border:none;padding:0px">moved</blockquote>'), 'moved')
})

t.test('hidden content is left out, and counted', async t => {
  const hidden = [
    '<div style="display:none;max-height:0">preheader</div>',
    '<div style="DISPLAY : NONE !important">preheader</div>',
    '<span style="visibility:hidden">preheader</span>',
    '<span style="font-size:0px">preheader</span>',
    '<span style="font-size:1px;line-height:1px">preheader</span>',
    '<span style="opacity:0">preheader</span>',
    '<div style="max-height:0px;overflow:hidden">preheader</div>',
    '<div style="position:absolute;left:-9999px">preheader</div>',
    '<p hidden>preheader</p>',
    '<p style="color:#fff;background-color:#FFFFFF">preheader</p>',
    '<table bgcolor="#112233"><tr><td><font color="#112234">preheader</font></td></tr></table>',
    '<p style="color:white">preheader</p>',
    '<style>.pre, #x {display:none}</style><p class="a pre">preheader</p>',
    '<div style="display:none"><div><p>pre<b>header</b></div></div>',
  ]
  for (const html of hidden) t.same(convertHtml(`${html}seen`), { text: 'seen', hidden: 9 }, html)
  const padding = '&zwnj;&nbsp;'.repeat(50)
  t.same(convertHtml(`<p>a${padding}b</p>`), { text: 'a b', hidden: 50 })
})

t.test('hidden content is detected in any notation', async t => {
  const styles = [
    'display:/**/none',
    'display:non\\65',
    'display:n\\6f ne',
    'display&#58;none',
    'display&colon;none',
    'content:";";display:none',
    'background:url(a;b);display:none',
    `/*${'x'.repeat(3000)}*/display:none`,
    'display:none;display:nonsense',
    'display:none!important;display:block',
    'color:transparent',
    'color:rgba(1, 2, 3, 0)',
    'color:#12345600',
    'clip-path:inset(100%)',
    'position:absolute;clip:rect(1px,1px,1px,1px)',
    'position:absolute;clip:rect(1px 1px 1px 1px)',
    'transform:scale(0)',
    'font:0/0 a',
    'position:absolute;left:-999px',
    'position:fixed;right:-999px',
    'position:absolute;top:-99em',
    'text-indent:-999px',
  ]
  const hidden = [
    ...styles.map(style => `<div style='${style}'>preheader</div>`),
    '<style>[hid]{display:none}</style><p hid>preheader</p>',
    '<style>@media screen{.a{display:none}}</style><p class="a">preheader</p>',
    '<style media="screen">.a{display:none}</style><p class="a">preheader</p>',
    '<style>#b{visibility:hidden}</style><p id="b">preheader</p>',
    '<style>.a{display:none!important}.a{display:block}</style><p class="a">preheader</p>',
    '<style>@charset "x";/* } */.a{dis\\70lay:none}</style><p class="a" style="display:block;display:none">preheader</p>',
    '<dialog>preheader</dialog>',
  ]
  for (const html of hidden) t.same(convertHtml(`${html}seen`), { text: 'seen', hidden: 9 }, html)
})

t.test('of several declarations the one that browsers take counts', async t => {
  const seen = [
    '<p style="display:none;display:block">seen</p>',
    '<p style="display:block!important;display:none">seen</p>',
    '<p style="font-size:0;font-size:14px">seen</p>',
    '<p style="font:0/0 a;font:400 14px/1 Arial">seen</p>',
    '<p style="opacity:0;opacity:1">seen</p>',
    '<p style="color:transparent;color:#123">seen</p>',
    '<p style="color:transparent;background-clip:text">seen</p>',
    '<p style="left:-9999px">seen</p>',
    '<style>.a{display:none}.a{display:block}</style><p class="a">seen</p>',
    '<style>.a{display:none}p.a{display:block}</style><p class="a">seen</p>',
    '<style>.a{display:none}#b{display:block}</style><p class="a" id="b">seen</p>',
    '<style>.a{display:none!important}</style><p class="a" style="display:block !important">seen</p>',
    '<style>.a{display:none}</style><p class="a" style="display:block">seen</p>',
    '<style media="print">.a{display:none}</style><p class="a">seen</p>',
    '<style media="(max-width:600px)">.a{display:none}</style><p class="a">seen</p>',
    '<style>@media print{.a{display:none}}</style><p class="a">seen</p>',
    '<dialog open>seen</dialog>',
    '<p hidden style="display:block">seen</p>',
  ]
  for (const html of seen) t.same(convertHtml(html), { text: 'seen', hidden: 0 }, html)
})

t.test('content that only looks hidden stays', async t => {
  const seen = [
    '<td style="font-size:0px"><div style="font-size:13px">seen</div></td>',
    '<div style="visibility:hidden"><p style="visibility:visible">seen</p></div>',
    '<p style="color:#ffffff;background:#000">seen</p>',
    '<p style="color:#fff;background:url(x.png) #fff">seen</p>',
    '<table bgcolor="black"><tr><td style="color:#fff">seen</td></tr></table>',
    '<style>p{background:navy}</style><p style="color:#fff">seen</p>',
    '<style>@media (max-width:600px){.a{display:none}}</style><p class="a">seen</p>',
    '<style>.b .a{display:none}</style><p class="a">seen</p>',
    '<p style="opacity:0.5;font-size:0.9em">seen</p>',
    '<div style="display:none"></div><div>seen</div>',
    '<p style="display:none"><p>seen',
    '<tr style="display:none"><td><tr><td>seen',
    '<div style="max-height:0">seen</div>',
  ]
  for (const html of seen) t.same(convertHtml(html), { text: 'seen', hidden: 0 }, html)
})

t.test('what is too large is cut, and the answer says so', async t => {
  const { text, isPart, note } = convertHtml(`<p>${'word '.repeat(100_000)}`)
  t.same([isPart, note], [true, 'the page is too large'])
  t.ok(text.length > PAGE_LIMITS.text - 10 && text.length <= PAGE_LIMITS.text, `${text.length} characters`)
  t.match(convertHtml(`${'<!-- x -->'.repeat(100_000)}  late`), { text: '', isPart: true })
})

t.test('hostile styles take linear time', async t => {
  const begun = performance.now()
  for (const part of ['a ', '(', 'url(', '/*', '"', '\\', '.a{', ';', ':', '.a,', '@media screen{', '}'])
    t.equal(
      textOf(
        `<style>${part.repeat(150_000 / part.length)}</style><p style='${part.repeat(90_000 / part.length)}'>seen`,
      ),
      'seen',
      part,
    )
  const ruled = `<style>${'.a{left:0}'.repeat(10_000)}</style>`
  t.match(textOf(`${ruled}${'<p class="a b" id=c hid>seen'.repeat(3000)}`), /^seen/)
  t.ok(performance.now() - begun < 8000, `${performance.now() - begun} ms`)
})

t.test('a parser gets little to read, and no deep quotes or lists', async t => {
  const { html } = visiblePage(`<p>${'word '.repeat(100_000)}`, { ...PAGE_LIMITS, text: 1000 })
  t.ok(html.length < 1100, `${html.length} characters`)
  t.equal(textOf(`${'<blockquote>'.repeat(30)}deep`), `${'> '.repeat(8)}deep`)
  t.notMatch(textOf(`${'<ul><li>'.repeat(30)}deep`), / {30}/)
})
