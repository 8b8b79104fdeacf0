import t from 'tap'
import { readConfig } from '../../../shared/config.ts'

const faultOf = (settings: Record<string, string>): string => {
  try {
    readConfig(settings)
    return ''
  } catch (error) {
    return String(error)
  }
}

t.test('variables and commands that no shell replaced are refused by name', async t => {
  for (const [name, value] of [
    ['DATA_DIR', '$HOME/data'],
    ['DATA_DIR', '%APPDATA%\\data'],
    ['REDIS_URL', 'redis://$REDIS_HOST:6379'],
    ['REDIS_URL', '$REDIS_URL'],
    ['GMAIL_CLIENT_SECRET', '$CLIENT_SECRET'],
    ['OUTLOOK_CLIENT_STATE', '$(cat /run/secrets/state)'],
    ['GMAIL_LABELS', '$LABELS'],
  ] as const)
    t.match(faultOf({ [name]: value }), new RegExp(`${name}: .*a variable or command is not replaced here`), value)
  for (const [name, value] of [
    ['REDIS_URL', 'redis://:$Ab1@127.0.0.1:6379'],
    ['GMAIL_CLIENT_SECRET', 'a$SECRET'],
    ['GMAIL_LABELS', '$money,100%'],
    ['GMAIL_QUERY', '$AAPL'],
  ] as const)
    t.equal(faultOf({ [name]: value }), '', value)
})

t.test('lists in brackets, and system labels with anything but commas between them, are refused', async t => {
  for (const value of ['SPAM|TRASH', 'spam:trash', 'SPAM/TRASH', 'SPAM + TRASH', 'SPAM|TRASH,DRAFT'])
    t.match(faultOf({ SKIP_LABELS: value }), /SKIP_LABELS: .*commas between the words/, value)
  for (const value of ['[SPAM, TRASH]', '(SPAM,TRASH)', '{SPAM,TRASH}', '[SPAM]'])
    t.match(faultOf({ SKIP_LABELS: value }), /SKIP_LABELS: .*without brackets/, value)
  for (const value of ['[Clients]', '[Clients],[Offers]', 'a/b', 'Clients/Inbox', 'a|b', '[Imap]/Sent'])
    t.equal(faultOf({ GMAIL_LABELS: value }), '', value)
})

t.test('an address to listen on with a port, and semicolons in NO_PROXY, are refused by name', async t => {
  for (const value of ['127.0.0.1:8080', 'localhost:80', 'localhost:'])
    t.match(faultOf({ GATEWAY_HOST: value }), /GATEWAY_HOST: .*without a port/, value)
  for (const value of ['127.0.0.1', '::', '::1', 'fe80::1%eth0', 'localhost'])
    t.equal(faultOf({ GATEWAY_HOST: value }), '', value)
  for (const name of ['NO_PROXY', 'no_proxy'])
    t.match(faultOf({ [name]: 'a.example;b.example' }), /NO_PROXY: .*commas between the names/, name)
  t.match(faultOf({ NO_PROXY: 'b.example,https://a.example' }), /NO_PROXY: .*neither scheme nor path/)
  t.equal(faultOf({ NO_PROXY: 'a.example b.example' }), '')
})
