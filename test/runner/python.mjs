// Provides the Python of the tests of examples/worker.py.
import { spawnSync } from 'node:child_process'
import { apt, canInstall } from './redis.mjs'

const PACKAGES = ['install', '-y', '--no-install-recommends', 'python3-redis', 'python3-jsonschema']

/** Makes sure of a Python with the modules of examples/worker.py, as Debian packages where they can be installed; returns whether there is one. */
export function ensurePython() {
  if (hasModules()) return true
  if (!canInstall()) return false
  process.stdout.write('No python3 with redis and jsonschema: installing Debian packages…\n')
  if (apt(PACKAGES).status !== 0 && apt(['update']).status === 0) apt(PACKAGES)
  return hasModules()
}

// A Python that comes earlier on PATH does not see the packages of Debian.
function hasModules() {
  const programs = ['python3', '/usr/bin/python3']
  return programs.some(program => spawnSync(program, ['-c', 'import redis, jsonschema']).status === 0)
}
