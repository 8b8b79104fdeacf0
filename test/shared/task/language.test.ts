import t from 'tap'
import type { Message } from '../../../shared/message.ts'
import { languageOf } from '../../../shared/task/language.ts'
import { TEXTS } from '../../support/languages.ts'

t.test('a script that one language uses tells the language', async t => {
  const expected = { Japanese: 'ja', Chinese: 'zh', 'traditional Chinese': 'zh', Korean: 'ko', Thai: 'th', Greek: 'el' }
  for (const [name, language] of Object.entries({ ...expected, Hebrew: 'he', Tamil: 'ta' }))
    t.equal(languageOf(message(TEXTS.get(name) ?? '')), language, name)
})

t.test('letters that many languages share tell none; the sender may', async t => {
  for (const name of ['English', 'Danish', 'Swahili', 'Russian', 'Mongolian', 'Arabic', 'Persian', 'Hindi', 'base64']) {
    t.equal(languageOf(message(TEXTS.get(name) ?? '')), undefined, name)
    t.equal(languageOf(message(TEXTS.get(name) ?? '', { contentLanguage: 'da' })), 'da', name)
  }
  t.equal(languageOf(message(TEXTS.get('Korean') ?? '', { contentLanguage: 'en' })), 'ko', 'the text counts first')
})

t.test('a few foreign letters tell nothing, and foreign names hide nothing', async t => {
  t.equal(languageOf(message('Dear colleagues, the Greek letter Ω stands for ohm, and 東京 is Tokyo.')), undefined)
  t.equal(languageOf(message('はい')), undefined, 'too short')
  t.equal(languageOf(message(`${TEXTS.get('Japanese')} Best regards, Ana from Example Ltd`)), 'ja')
})

function message(text: string, changes: Partial<Message> = {}): Message {
  const people = { from: [], to: [], cc: [] }
  return {
    id: 'a',
    thread: 'a',
    labels: [],
    date: 0,
    subject: '',
    ...people,
    snippet: '',
    body: { text, kind: 'plain' },
    ...changes,
  }
}
