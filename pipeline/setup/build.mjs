// `npm run build`: compiles what changed into dist/.
import { ensureReady } from './ensure.mjs'

try {
  await ensureReady({ dev: true })
} catch (error) {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
}
