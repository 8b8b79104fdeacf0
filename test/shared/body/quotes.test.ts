import t from 'tap'
import { trimQuotes } from '../../../shared/body/quotes.ts'

const question = 'Shall we move the launch of the new site to the second week of May?'
const earlier = `Hello Bob,\n\nthe printer has told us that they need ten more days for the brochures.\n\n${question}`
const quoted = (text: string) => text.replace(/^/gm, '> ').replace(/ $/gm, '')

t.test('a quote goes, and the mail that holds it is named', async t => {
  const [first, second] = trimQuotes([
    { id: 'm1', text: earlier },
    { id: 'm2', text: `Let me ask the team and come back to you.\n\n${quoted(earlier)}` },
  ])
  t.equal(first?.text, earlier)
  t.same(first?.removed, [])
  t.match(second, { text: 'Let me ask the team and come back to you.', removed: [{ from: 'm1' }] })
})

t.test('an answered quote keeps its question', async t => {
  const [, reply] = trimQuotes([
    { id: 'm1', text: earlier },
    { id: 'm2', text: `${quoted(earlier)}\n\nYes.` },
  ])
  t.equal(reply?.text, `> ${question}\n\nYes.`)
})
