import { createHash } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'

/**
 * The world that this process's id is one of: the boot of its machine and its PID namespace, as twelve hexadecimal digits. The same id
 * elsewhere is another process. `undefined` where it cannot be told: then no other process's id means anything.
 */
export const pidWorld: string | undefined = worldOf('self')

/** When a process began, in the kernel's clock ticks since its boot; `undefined` where there is none or it cannot be told. */
export function startOf(pid: number | 'self'): string | undefined {
  return statOf(pid)?.start
}

/** Whether a process with this id runs in this PID namespace, whoever started it. One that has ended and was not waited for does not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  return !['Z', 'X'].includes(statOf(pid)?.state ?? '')
}

/** Whether the process that began then is gone; a process that has its id since then is another. */
export function hasEnded(pid: number, start: string): boolean {
  return !isRunning(pid) || (startOf(pid) ?? start) !== start
}

function worldOf(pid: 'self'): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const namespace = readlinkSync(`/proc/${pid}/ns/pid`)
    return createHash('sha1').update(`${boot} ${namespace}`).digest('hex').slice(0, 12)
  } catch {
    return undefined
  }
}

// The name, in brackets, may hold anything; what follows it does not.
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
