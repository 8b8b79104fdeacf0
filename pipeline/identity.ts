import { createHash, randomBytes } from 'node:crypto'
import { hostname } from 'node:os'

/** This process as a consumer: its host, its process id, and a random part, so that no two processes ever share a name. */
export function consumerName(replica: string | undefined): string {
  return [replica ?? hostname(), process.pid, randomBytes(3).toString('hex')].join(':')
}

/** Whether a consumer was a process of this host that runs no more. A wrong guess costs double work, never a double effect. */
export function deadOnThisHost(me: string): (consumer: string) => boolean {
  const [host] = me.split(':')
  return consumer => {
    const [otherHost, pid] = consumer.split(':')
    if (otherHost !== host || !pid) return false
    return Number(pid) === process.pid ? consumer !== me : !isRunning(Number(pid))
  }
}

/** A run's id: sortable by time, unique by its random part. */
export function newRunId(now: number): string {
  return `${now.toString(36)}-${randomBytes(4).toString('hex')}`
}

/** The id of the run that something asked for at a moment (ms since 1970): the same whenever it asks again. */
export function namedRunId(at: number, name: string): string {
  return `${at.toString(36)}-${createHash('sha1').update(name).digest('hex').slice(0, 8)}`
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
