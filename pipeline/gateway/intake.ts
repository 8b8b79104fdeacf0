import { from, lastValueFrom, mergeMap } from 'rxjs'
import { asMailError, MailError } from '../../shared/error.ts'
import { readNotification } from '../../shared/gmail/notification.ts'
import { createIntakeQueue, finishIntake, type IntakeEntry, readIntakeEntry } from '../../shared/redis/intake.ts'
import type { RawEntry } from '../../shared/redis/queue.ts'
import type { AppContext } from '../base/app.ts'
import { consumerName, isKnownDead } from '../base/identity.ts'
import type { Log } from '../base/log.ts'
import { sleep, within } from '../base/wait.ts'
import { createCredit } from '../runtime/credit.ts'
import { samePace } from '../runtime/paces.ts'
import { startReader } from '../runtime/reader.ts'
import type { RunningStage } from '../runtime/run-stage.ts'
import type { Receiver } from './receiver.ts'

const PACE = { size: 1, concurrency: 20 }
const MAX_ID_LENGTH = 200
const RETRY_MS = 250
const GRACE_MS = 500

/**
 * Moves notifications from the intake stream to their mailboxes, each entry exactly once, even when a process dies at any moment. The
 * intake and a mailbox may be on different servers, so the mailbox records the entry before the intake acknowledges it.
 */
export function startIntake(app: AppContext, receiver: Receiver, log: Log): RunningStage {
  const { config, redis, keys, now } = app
  const { machine } = app.surroundings
  const consumer = consumerName(config.RAILWAY_REPLICA_ID, machine)
  const queue = createIntakeQueue({ redis, keys, consumer, now })
  const reader = startReader({
    queue,
    connection: app.openConnection(),
    credit: createCredit(samePace({ ...PACE, waitMs: 0 })),
    leaseMs: config.LEASE_MS,
    isDead: isKnownDead,
    now,
    machine,
    log,
  })
  const aborted = new AbortController()
  const finished = lastValueFrom(reader.entries.pipe(mergeMap(entry => from(move(entry)), PACE.concurrency)), {
    defaultValue: undefined,
  })

  return {
    async stop(drainMs) {
      reader.stop()
      await within(finished, drainMs, machine)
      aborted.abort()
      await within(finished, GRACE_MS, machine)
      await queue
        .shutdown()
        .catch(error =>
          log.warn(
            { error: String(error) },
            'could not release intake entries; another gateway claims them after the lease',
          ),
        )
    },
  }

  async function move(raw: RawEntry): Promise<void> {
    for (let reported = false; !aborted.signal.aborted; reported = true) {
      try {
        const entry = await readIntakeEntry(redis, keys, raw.entryId)
        if (entry) await accept(entry)
        else await finishIntake(redis, keys, [raw.entryId])
        reader.done([raw])
        return
      } catch (error) {
        if (!reported) log.error({ error: String(error) }, 'cannot process an intake entry; retrying')
        await sleep(RETRY_MS, aborted.signal, machine)
      }
    }
  }

  async function accept({ entryId, fields }: IntakeEntry): Promise<void> {
    const notification = parseFields(fields)
    if (notification instanceof MailError) return receiver.deadLetter(fields, notification, entryId)
    // A program that pulls from Pub/Sub can pass on the message id.
    const id = fields.messageId?.slice(0, MAX_ID_LENGTH) ?? `intake:${entryId}`
    await receiver.accept(notification, { id, at: Number.parseInt(entryId, 10) })
    await finishIntake(redis, keys, [entryId])
  }
}

function parseFields(fields: IntakeEntry['fields']) {
  try {
    return readNotification(fields)
  } catch (error) {
    return asMailError(error)
  }
}
