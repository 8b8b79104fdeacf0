import t from 'tap'
import { readConfig } from '../../../shared/config.ts'
import { proxyFor } from '../../../shared/http/proxy.ts'
import { proxiesIn } from '../../../shared/settings/proxies.ts'

const PROXY = 'http://proxy.example.com:3128'
const through = (url: string, NO_PROXY = '') => proxyFor(new URL(url), proxiesIn({ HTTPS_PROXY: PROXY, NO_PROXY }))

t.test('this machine is never reached through a proxy, under any name', async t => {
  const names = [
    'localhost',
    'sim.localhost',
    'LOCALHOST.',
    '127.0.0.1',
    '127.1',
    '127.255.0.9',
    '0.0.0.0',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
  ]
  for (const name of names) t.equal(through(`https://${name}:8443/`), undefined, name)
  for (const name of ['localhost.example.com', '128.0.0.1', '[::2]']) t.equal(through(`https://${name}/`), PROXY, name)
})

t.test('NO_PROXY names hosts, domains, addresses, networks and ports', async t => {
  const url = 'https://Gmail.GoogleAPIs.com/x'
  for (const rule of [
    '*',
    'googleapis.com',
    '.googleapis.com',
    '*.googleapis.com',
    'gmail.googleapis.com.',
    'gmail.googleapis.com:443',
    'a b,GOOGLEAPIS.COM',
  ]) {
    t.equal(through(url, rule), undefined, rule)
  }
  for (const rule of [
    '',
    ',',
    'oogleapis.com',
    'mail.gmail.googleapis.com',
    'googleapis.com:8443',
    '10.0.0.0/8',
    '/',
    'x/y',
    '[',
    ':443',
  ]) {
    t.equal(through(url, rule), PROXY, rule)
  }
  t.equal(through('https://10.1.2.3/', '10.0.0.0/8'), undefined)
  t.equal(through('https://11.1.2.3/', '10.0.0.0/8,10.0.0.0/99,1.2.3'), PROXY)
  t.equal(through('https://[fd00::1]:8443/', '[fd00::1]:8443'), undefined)
  t.equal(through('https://[fd00::1]/', 'fd00::/8'), undefined)
})

t.test('each scheme has its variable, lower case first, then ALL_PROXY', async t => {
  const of = (url: string, environment: Record<string, string>) => proxyFor(new URL(url), proxiesIn(environment))
  t.equal(of('http://sim:8080/', { HTTPS_PROXY: PROXY }), undefined)
  t.equal(of('http://sim:8080/', { http_proxy: 'proxy:1', HTTP_PROXY: PROXY }), 'http://proxy:1')
  t.equal(of('https://sim/', { https_proxy: '', HTTPS_PROXY: PROXY }), PROXY)
  t.equal(of('https://sim/', { all_proxy: PROXY }), PROXY)
  t.equal(of('https://sim/', { HTTPS_PROXY: PROXY, no_proxy: 'sim' }), undefined)
  t.equal(of('https://sim/', {}), undefined)
})

t.test('an invalid proxy is refused at the start and never repeated', async t => {
  for (const name of ['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY', 'https_proxy']) {
    const refused = new RegExp(`^${name.toUpperCase()}: its value is not allowed; use a proxy such as`)
    t.throws(() => readConfig({ [name]: 'socks5://me:planted@127.0.0.1:1080' }), { message: refused })
    t.throws(() => readConfig({ [name]: 'http://' }), { message: refused })
  }
  t.equal(readConfig({ HTTPS_PROXY: 'proxy:3128' }).HTTPS_PROXY, 'http://proxy:3128')
})
