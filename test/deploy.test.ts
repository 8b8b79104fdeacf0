import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { STAGE_NAMES } from '../shared/stage.ts'

const root = projectFolder()
const text = (file: string) => readFileSync(join(root, file), 'utf8')

/** The nearest folder above with the project's settings: this file runs from `dist/` too. */
function projectFolder(from = dirname(fileURLToPath(import.meta.url))): string {
  return readdirSync(from).includes('tsconfig.json') ? from : projectFolder(dirname(from))
}

t.test('Procfile and docker-compose.yml start each stage, keeper and gateway without npm', async t => {
  const processes = text('Procfile').trim().split('\n')
  const services = text('docker-compose.yml')
  t.equal(processes[0], 'web: node dist/pipeline/main.js up')
  t.same(processes.slice(1), [
    ...STAGE_NAMES.map(name => `${name}: node dist/pipeline/main.js stage ${name}`),
    'keeper: node dist/pipeline/main.js keeper',
    'gateway: node dist/pipeline/main.js gateway',
  ])
  for (const name of STAGE_NAMES) {
    t.match(services, `\n  ${name}:\n    <<: *stage\n    command: node dist/pipeline/main.js stage ${name}\n`)
  }
  t.match(services, '\n  gateway:\n    <<: *stage\n    command: node dist/pipeline/main.js gateway --port 8080\n')
  t.match(services, '\n  keeper:\n    <<: *stage\n    command: node dist/pipeline/main.js keeper\n')
})

t.test('docker compose opens no port to the network, and pins images by digest', async t => {
  const compose = text('docker-compose.yml')
  const ports = [...compose.matchAll(/^ {6}- "(.*)"$/gm)].map(([, port]) => port)
  t.ok(ports.length > 0)
  for (const port of ports) t.match(port, /^127\.0\.0\.1:\d+:\d+$/, 'an address of this machine comes first')
  t.notMatch(compose, /network_mode|expose:/)
  const pinned = /^[a-z]+:\d+\.\d+\.\d+[a-z\d.-]*@sha256:[\da-f]{64}$/
  const images = [...compose.matchAll(/^ *image: (.*)$/gm)].map(([, image]) => image)
  const bases = [...text('Dockerfile').matchAll(/^FROM (\S+)/gm)].map(([, image]) => image)
  t.equal(bases.length, 2)
  t.equal(new Set(bases).size, 1, 'what is built runs where it was built')
  // The first is what the Dockerfile builds.
  t.same(images.filter(image => image !== 'mailsluice').length, 1)
  for (const image of [...images, ...bases]) if (image !== 'mailsluice') t.match(image, pinned)
  t.match(compose, '--allow-host sim --gmail 8025', 'the simulator answers to the name of its container')
})

t.test('the lock file names the packages of every platform', async t => {
  interface Locked {
    optionalDependencies?: Record<string, string>
  }
  const { packages } = JSON.parse(text('package-lock.json')) as { packages: Record<string, Locked> }
  const missing = Object.entries(packages).flatMap(([place, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(name => !lookUp(packages, place, name)),
  )
  t.same(missing, [], 'npm install leaves out what its registry would not give: add the entries by hand')
})

/** Whether a package that is asked for at a place is found there or above, as Node would look for it. */
function lookUp(packages: object, place: string, name: string): boolean {
  if (`${place}${place && '/'}node_modules/${name}` in packages) return true
  if (place === '') return false
  return lookUp(packages, place.slice(0, Math.max(0, place.lastIndexOf('/node_modules/'))), name)
}

t.test('a start with nothing to do needs no npm, and says nothing of its own', async t => {
  const words = [join(root, 'pipeline', 'setup', 'start.mjs'), '--help']
  // No PATH: no other program could be found.
  const { stdout, stderr } = await promisify(execFile)(process.execPath, words, { env: { PATH: '' } })
  t.match(stdout, /^Usage: mailsluice/)
  t.equal(stderr, '')
})
