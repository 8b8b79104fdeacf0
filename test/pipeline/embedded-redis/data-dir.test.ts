import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import {
  findRunning,
  forgetRunning,
  isAlive,
  noteRunning,
  thisProcess,
} from '../../../pipeline/embedded-redis/data-dir.ts'
import { withLock } from '../../../pipeline/embedded-redis/lock.ts'

async function temporaryFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mailsluice-data-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Returns the owner record of an ended process. */
function ended(): { pid: number; since: number } {
  return { pid: spawnSync(process.execPath, ['--version']).pid, since: 1 }
}

t.test('a note is private, valid while its process runs, and removable', async t => {
  const dataDir = join(await temporaryFolder(t), 'made', 'for', 'it')
  t.equal(await findRunning(dataDir, 'sim'), undefined)
  await noteRunning(dataDir, 'sim', { url: 'http://127.0.0.1:8025' })
  t.same(await findRunning(dataDir, 'sim'), { url: 'http://127.0.0.1:8025' })
  t.equal((await stat(join(dataDir, 'sim.json'))).mode & 0o777, 0o600)
  t.equal((await stat(dataDir)).mode & 0o777, 0o700)
  await forgetRunning(dataDir, 'sim')
  t.equal(await findRunning(dataDir, 'sim'), undefined)
})

t.test('the note of an ended process is ignored', async t => {
  const dataDir = await temporaryFolder(t)
  await writeFile(join(dataDir, 'sim.json'), JSON.stringify({ ...ended(), value: 'http://127.0.0.1:1' }))
  t.equal(await findRunning(dataDir, 'sim'), undefined)
  await writeFile(join(dataDir, 'sim.json'), '{"pid": 1, "val')
  t.equal(await findRunning(dataDir, 'sim'), undefined)
})

t.test('an earlier process with the same id is another process', async t => {
  t.equal(isAlive(thisProcess()), true)
  t.equal(isAlive({ pid: process.pid, since: thisProcess().since - 60_000 }), false)
  t.equal(isAlive(ended()), false)
})

t.test('a lock admits one owner at a time, even after a kill', async t => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'a.lock.3'), JSON.stringify(ended()))
  let inside = 0
  const most = await Promise.all(
    Array.from({ length: 8 }, () =>
      withLock(folder, 'a', async () => {
        inside += 1
        await turn()
        const seen = inside
        inside -= 1
        return seen
      }),
    ),
  )
  t.same(
    most,
    Array.from({ length: 8 }, () => 1),
  )
  await t.rejects(
    withLock(folder, 'a', () => Promise.reject(new Error('failed'))),
    /failed/,
  )
  t.equal(await withLock(folder, 'a', async () => 'free again'), 'free again')
})
