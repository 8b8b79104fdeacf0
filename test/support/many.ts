import { type Mailboxes, openMailboxes } from '../../pipeline/accounts/mailboxes.ts'
import { requestSync } from '../../pipeline/accounts/request-sync.ts'
import { type AppContext, openApp } from '../../pipeline/base/app.ts'
import { createLog } from '../../pipeline/base/log.ts'
import { STAGES } from '../../pipeline/base/stages.ts'
import { startStages } from '../../pipeline/runtime/start-stages.ts'
import { readConfig } from '../../shared/config.ts'
import { LANES } from '../../shared/envelope.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import { connectMailbox, readMailbox } from '../../shared/redis/mailboxes.ts'
import { STAGE_NAMES } from '../../shared/stage.ts'
import { analysisTasks } from '../../shared/streams.ts'
import type { Task } from '../../shared/task/schema.ts'
import type { TestRedis } from './redis.ts'
import { hidden } from './surroundings.ts'

/** The whole pipeline in the test's process, over several mailboxes at a simulator. */
export interface Many {
  app: AppContext
  mailboxes: Mailboxes
  sync(mailbox: MailboxId): Promise<string>
  /** The message ids in the tasks of a mailbox. */
  taskedIds(mailbox: MailboxId): Promise<Set<string>>
  /** The number of dead letters, of all mailboxes and stages. */
  dead(): Promise<number>
  record(mailbox: MailboxId): ReturnType<typeof readMailbox>
  stop(): Promise<void>
}

let count = 0

/** Starts it with these mailboxes connected; it ends with the test. With `prefix` it continues another's work. */
export async function startMany(
  t: { teardown(work: () => unknown): void },
  redis: TestRedis,
  {
    simUrl,
    ids,
    settings = {},
    prefix,
  }: { simUrl: string; ids: readonly MailboxId[]; settings?: Record<string, string>; prefix?: string },
): Promise<Many> {
  count += 1
  const config = readConfig({
    LOG_LEVEL: 'silent',
    REDIS_PREFIX: prefix ?? `many${count}`,
    PARTITIONS: '1',
    LEASE_MS: '1000',
    INITIAL_SYNC: 'all',
    SIM_URL: simUrl,
    ...settings,
  })
  const app = await openApp(config, redis.url)
  const { keys } = app
  const mailboxes = openMailboxes(config, simUrl, app)
  for (const id of ids) {
    if (await readMailbox(app.redis, keys, id)) continue
    const { cursor } = await mailboxes(id).open({ signal: new AbortController().signal, meter: () => undefined })
    await connectMailbox(app.redis, keys, id, cursor, app.now())
  }
  const stages = startStages(STAGES, app, { mailboxes, log: createLog(config, 'test', hidden) })
  let stopped: Promise<void> | undefined
  const stop = () => {
    stopped ??= stages.stop(5000).then(() => app.close())
    return stopped
  }
  t.teardown(stop)
  const tasks = async (): Promise<{ mailbox: string; body: Task }[]> => {
    const entries = await Promise.all(
      LANES.map(lane => redis.client.xrange(keys.stream('p00', analysisTasks.name, lane), '-', '+')),
    )
    return entries.flat().map(([, fields]) => JSON.parse(fields[1] ?? '{}'))
  }

  return {
    app,
    mailboxes,
    sync: mailbox => requestSync(app, mailbox),
    async taskedIds(mailbox) {
      const own = (await tasks()).filter(task => task.mailbox === mailbox)
      return new Set(own.flatMap(({ body }) => body.messages.map(({ id }) => id)))
    },
    async dead() {
      const counts = await Promise.all(STAGE_NAMES.map(stage => redis.client.xlen(keys.dead('p00', stage))))
      return counts.reduce((sum, one) => sum + one, 0)
    },
    record: mailbox => readMailbox(redis.client, keys, mailbox),
    stop,
  }
}
