import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'

t.test('a secret in a field is not logged', async t => {
  const terminal = new URL('../../../pipeline/base/terminal.js', import.meta.url).href
  const module = new URL('../../../pipeline/base/log.js', import.meta.url).href
  const code = `
    const { createLog } = await import('${module}')
    const { openTerminal } = await import('${terminal}')
    const log = createLog({ LOG_LEVEL: 'trace' }, 'test', openTerminal()).child({ stage: 'merge' })
    log.info({ refreshToken: 'planted', tokens: { access_token: 'planted' }, a: { headers: { authorization: 'planted' } }, mailbox: 'kept' }, 'text')`
  const { stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code])
  t.match(JSON.parse(stderr), {
    refreshToken: '[secret]',
    tokens: { access_token: '[secret]' },
    a: { headers: { authorization: '[secret]' } },
    mailbox: 'kept',
    stage: 'merge',
    msg: 'text',
  })
  t.notMatch(stderr, /planted/)
})
