// `npm start -- ARGS` and `npm run bench -- ARGS`: makes ready what is missing, then is the program itself, so that signals,
// stdin and the exit code are the program's own.
const OLDEST_NODE = [20, 19]

// Whoever listens may leave; what was asked for is done all the same.
process.stderr.on('error', () => undefined)

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
  process.stderr.write(
    `mailsluice needs Node ${OLDEST_NODE.join('.')} or newer, this is ${process.versions.node}: install a newer one from https://nodejs.org\n`,
  )
  process.exit(2)
}

// Only now, so that an older Node gets to say the line above.
const { existsSync } = await import('node:fs')
const { join } = await import('node:path')
const { pathToFileURL } = await import('node:url')
const { ensureReady, ROOT, SetupError } = await import('./ensure.mjs')

const words = process.argv.slice(2)
const bench = words[0] === '--bench'
const main = join(ROOT, 'dist', bench ? 'bench' : 'pipeline', 'main.js')
try {
  await ensureReady()
  if (!existsSync(main)) throw new SetupError(`${main} is missing: remove the folder dist and start again`)
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
}
process.argv = [process.execPath, main, ...(bench ? words.slice(1) : words)]
await import(pathToFileURL(main).href)
