import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'

const COMMANDS = new URL('../../pipeline/commands/', import.meta.url)
// Libraries of single roles, each of which takes long to load.
const HEAVY = /node_modules\/(googleapis|fastify|@azure\/msal-node|rxjs|postal-mime)\//

const PRINT = `
  import { createRequire } from 'node:module'
  await import(process.argv[1])
  console.log(JSON.stringify(Object.keys(createRequire(process.argv[1]).cache)))
  process.exit()`

for (const command of ['list', 'push', 'sync', 'runs', 'mailboxes', 'pause', 'dead', 'explain', 'tail']) {
  t.test(`${command} loads no library of another role`, async t => {
    const file = fileURLToPath(new URL(`${command}.js`, COMMANDS))
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', PRINT, file])
    const loaded: string[] = JSON.parse(stdout)
    t.same(
      loaded.filter(one => HEAVY.test(one)),
      [],
    )
    if (command !== 'list') t.ok(loaded.some(one => /node_modules\/ioredis\//.test(one)))
  })
}
