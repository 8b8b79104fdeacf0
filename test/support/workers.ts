import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** How to start each example; without a program it cannot run here. */
export const WORKERS: readonly { name: string; words: readonly [program: string | undefined, file: string] }[] = [
  { name: 'worker.ts', words: [process.execPath, 'dist/examples/worker.js'] },
  { name: 'worker.py', words: [pythonWithModules(), 'examples/worker.py'] },
]

function pythonWithModules(): string | undefined {
  const programs = ['python3', '/usr/bin/python3']
  return programs.find(program => spawnSync(program, ['-c', 'import redis, jsonschema']).status === 0)
}

/** A running example. */
export interface Worker {
  said(): string
  kill(signal: NodeJS.Signals): void
  exited: Promise<number | null>
}

/** Starts an example with these settings; killed at the test's end. */
export function startWorker(
  t: Test,
  words: (typeof WORKERS)[number]['words'],
  settings: Record<string, string>,
): Worker {
  const [program = '', file] = words
  const env = { PATH: process.env.PATH ?? '', ...settings }
  const child: ChildProcess = spawn(program, [file], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const pipe of [child.stdout, child.stderr]) pipe?.on('data', chunk => (said += chunk))
  t.teardown(() => child.kill('SIGKILL'))
  return {
    said: () => said,
    kill: signal => void child.kill(signal),
    exited: once(child, 'close').then(([code]) => code),
  }
}

/** A model server that answers as OpenAI-compatible ones do. */
export interface Model {
  url: string
  /** The keys of the tasks it was asked, in order. */
  asked: string[]
  /** Decides what happens to a request; `hold` keeps it until `release`. */
  does: (task: string) => 'answer' | 'fail' | 'hold'
  release(): void
}

/** Starts a model server on loopback for one test. */
export async function startModel(t: Test): Promise<Model> {
  const held: ServerResponse[] = []
  const model: Model = { url: '', asked: [], does: () => 'answer', release: () => held.splice(0).forEach(answer) }
  const server = createServer((request, response) => {
    let text = ''
    request.on('data', chunk => (text += chunk))
    request.on('end', () => {
      const { task } = JSON.parse(JSON.parse(text).messages[1].content)
      model.asked.push(task)
      const what = model.does(task)
      if (what === 'hold') held.push(response)
      else if (what === 'fail') response.writeHead(500).end()
      else answer(response)
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  model.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return model
}

function answer(response: ServerResponse): void {
  const content = JSON.stringify({ summary: 'short', urgent: false })
  const usage = { prompt_tokens: 100, completion_tokens: 10 }
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify({ choices: [{ message: { content } }], usage }))
}
