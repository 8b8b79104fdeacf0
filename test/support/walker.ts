// One process that runs many commands of `mailsluice` in turn and writes their output: starting Node for each takes longer
// than all of them. The commands are a JSON list of lists of words on stdin; the answer is a JSON list of `{ words, stdout, stderr }`.
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'

const MAIN = pathToFileURL(new URL('../../pipeline/main.js', import.meta.url).pathname).href
const commands = JSON.parse(await text(process.stdin)) as string[][]
const write = process.stdout.write.bind(process.stdout)
const exit = process.exit.bind(process)
const heard = { stdout: '', stderr: '' }

for (const name of ['stdout', 'stderr'] as const) {
  process[name].write = (chunk: unknown) => {
    heard[name] += String(chunk)
    return true
  }
}
// The program exits after its command.
process.exit = (() => undefined) as typeof process.exit
process.setMaxListeners(0)

const results = []
for (const [index, words] of commands.entries()) {
  Object.assign(heard, { stdout: '', stderr: '' })
  process.argv = [process.execPath, MAIN, ...words]
  // A new URL makes it a new module, which runs again.
  await import(`${MAIN}?${index}`)
  results.push({ words, ...heard })
}
write(JSON.stringify(results), () => exit(0))
