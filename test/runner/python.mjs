// Provides the Python of the tests of examples/worker.py.
import { apt, canInstall, run } from './redis.mjs'

const PACKAGES = ['install', '-y', '--no-install-recommends', 'python3-redis', 'python3-jsonschema']

/** Makes sure of a Python with the modules of examples/worker.py, as Debian packages where they can be installed; resolves to whether there is one. */
export async function ensurePython() {
  if (await hasModules()) return true
  if (!(await canInstall())) return false
  process.stdout.write('No python3 with redis and jsonschema: installing Debian packages…\n')
  if ((await apt(PACKAGES)).status !== 0 && (await apt(['update'])).status === 0) await apt(PACKAGES)
  return hasModules()
}

// A Python that comes earlier on PATH does not see the packages of Debian.
async function hasModules() {
  for (const program of ['python3', '/usr/bin/python3']) {
    if ((await run(program, ['-c', 'import redis, jsonschema'])).status === 0) return true
  }
  return false
}
