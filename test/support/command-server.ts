// Runs commands of `mailsluice` in turn, each as in a process of its own. It reads a JSON line with each command from stdin, and answers
// with a JSON line of its output and exit code.
import { createInterface } from 'node:readline'
import { consentPageIn } from './consent-page.ts'
import type { Finished, ServedCommand } from './processes.ts'

const MAIN = new URL('../../pipeline/main.js', import.meta.url)
const answer = process.stdout.write.bind(process.stdout)
const realExit = process.exit.bind(process)
const heard = { stdout: '', stderr: '' }
let exit: () => void = () => undefined
let visits = false

for (const name of ['stdout', 'stderr'] as const) {
  process[name].write = (chunk: unknown) => {
    heard[name] += String(chunk)
    const page = visits && consentPageIn(heard.stdout)
    if (page) {
      visits = false
      void fetch(page).then(response => response.text())
    }
    return true
  }
  process[name].setMaxListeners(0)
}
process.exit = ((code?: number) => {
  process.exitCode = code ?? process.exitCode
  exit()
}) as typeof process.exit

let index = 0
for await (const line of createInterface(process.stdin)) {
  index += 1
  answer(`${JSON.stringify(await finish(JSON.parse(line)))}\n`)
}
realExit(0)

async function finish({ words, environment, ...more }: ServedCommand): Promise<Finished> {
  visits = more.visits
  for (const name of Object.keys(process.env)) delete process.env[name]
  Object.assign(process.env, environment)
  Object.assign(heard, { stdout: '', stderr: '' })
  process.exitCode = undefined
  process.argv = [process.execPath, MAIN.pathname, ...words]
  const before = new Map(process.eventNames().map(name => [name, new Set(process.rawListeners(name))]))
  const ended = new Promise<void>(resolve => {
    exit = resolve
  })
  // A new URL makes it a new module, which runs again.
  await Promise.race([import(`${MAIN.href}?${index}`), ended])
  const code = Number(process.exitCode ?? 0)
  for (const name of process.eventNames()) {
    for (const listener of process.rawListeners(name) as ((...values: unknown[]) => void)[]) {
      if (before.get(name)?.has(listener)) continue
      if (name === 'exit') listener.call(process, code)
      process.removeListener(name, listener)
    }
  }
  return { code, ...heard }
}
