import { createHash } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'

/**
 * The scope in which this process's id is valid: the boot of its machine and its PID namespace, as twelve hexadecimal digits. The same id in
 * another scope is another process. `undefined` where the scope is unknown; then no other process id can be compared.
 */
export const pidScope: string | undefined = scopeOf('self')

/** Returns when a process began, in kernel clock ticks since boot; `undefined` where no such process exists or the time is unknown. */
export function startOf(pid: number | 'self'): string | undefined {
  return statOf(pid)?.start
}

/** Returns whether a process with this id runs in this PID namespace, whoever started it. A zombie does not run. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  return !['Z', 'X'].includes(statOf(pid)?.state ?? '')
}

/** Returns whether the process that began at `start` has ended; a later process with the same id is another. */
export function hasEnded(pid: number, start: string): boolean {
  return !isRunning(pid) || (startOf(pid) ?? start) !== start
}

function scopeOf(pid: 'self'): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const namespace = readlinkSync(`/proc/${pid}/ns/pid`)
    return createHash('sha1').update(`${boot} ${namespace}`).digest('hex').slice(0, 12)
  } catch {
    return undefined
  }
}

// The process name, in brackets, may contain spaces and brackets; the fields after it do not.
function statOf(pid: number | 'self'): { state: string; start: string } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const [state = '', start = ''] = [fields[0], fields[19]]
    return { state, start }
  } catch {
    return undefined
  }
}
