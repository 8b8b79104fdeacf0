import { setTimeout as timeout } from 'node:timers/promises'
import t from 'tap'
import { knownMessages } from '../../shared/redis/known.ts'
import type { GraphSimulator } from '../../sim/graph/simulator.ts'
import { randomFrom } from '../../sim/random.ts'
import { testMail, testMailbox } from '../support/mail.ts'
import { BO, BO_ADDRESS, startOutlook } from '../support/outlook.ts'
import type { TestPipeline } from '../support/pipeline.ts'
import { startRedis } from '../support/redis.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())

const SEEDS = (process.env.OUTLOOK_SEEDS ?? '1,2,3,4').split(',').map(Number)
const ROUNDS = 12
const MAX_BETWEEN_MS = 20
const FOLDERS = ['inbox', 'archive', 'Projects/Rome', 'Projects/Oslo', 'Projects/Rome/Old', 'sentitems']
const LEFT_OUT = ['deleteditems', 'junkemail', 'drafts']

async function known({ app }: TestPipeline): Promise<string[]> {
  const ids: string[] = []
  for await (const { id } of knownMessages(app.redis, app.keys, BO)) ids.push(id)
  return ids.sort()
}

/** Returns the mail in the mailbox without filtered mail. */
function there(sim: GraphSimulator, trashed: readonly string[]): string[] {
  const bo = sim.mailbox(BO_ADDRESS)
  const leftOut = new Set([...LEFT_OUT, ...trashed].flatMap(folder => bo.ids(folder)))
  return bo
    .ids()
    .filter(id => !leftOut.has(id))
    .sort()
}

for (const seed of SEEDS) {
  t.test(`after random changes the known mail equals the mailbox (seed ${seed})`, async t => {
    const random = randomFrom(seed)
    const one = <T>(items: readonly T[]): T | undefined => items[Math.floor(random() * items.length)]
    const settings = { INITIAL_SYNC: 'all', OUTLOOK_PAGE_SIZE: '7', OUTLOOK_BATCH_SIZE: seed % 2 ? '20' : '3' }
    // Slow answers leave time for more changes between them.
    const pace = seed % 3 === 0 ? ({ profile: 'live', speed: 20 } as const) : {}
    const { sim, pipeline } = await startOutlook(t, redis, testMailbox(BO_ADDRESS, 40, 12), settings, pace)
    const bo = sim.mailbox(BO_ADDRESS)
    Object.assign(sim.quirks, {
      repeats: 0.2,
      shuffled: seed > 2,
      emptyPages: seed === 2,
      movesAreDeletions: seed % 2 === 0,
      countChanges: seed === 3,
    })
    let delivered = 40
    const trashed: string[] = []
    const deeds: Record<string, () => void> = {
      deliver: () => void sim.deliver(BO_ADDRESS, testMail(delivered++, 12), { folder: one(FOLDERS) }),
      move: () => bo.move(one([...FOLDERS, ...LEFT_OUT]) ?? '', ...bo.ids().filter(() => random() < 0.1)),
      delete: () => bo.delete(...bo.ids().filter(() => random() < 0.05)),
      read: () => bo.ids().forEach(id => void (random() < 0.1 && bo.mark(id, { isRead: random() < 0.5 }))),
      flag: () => bo.ids().forEach(id => void (random() < 0.05 && bo.mark(id, { flagged: true }))),
      categorise: () => bo.ids().forEach(id => void (random() < 0.05 && bo.mark(id, { categories: ['Rome'] }))),
      make: () => void bo.createFolder(`Projects/New ${Math.floor(random() * 3)}`),
      forget: () => bo.expireDelta(one([undefined, 'inbox', 'archive'])),
      rename: () => bo.renameFolder(bo.createFolder('Projects/Oslo'), `Oslo ${delivered}`),
      unmake: () => bo.deleteFolder(bo.createFolder('Projects/Rome')),
      brief() {
        const folder = bo.createFolder('Projects/Brief')
        bo.move(folder, ...bo.ids().filter(() => random() < 0.05))
        bo.deleteFolder(folder)
      },
      trash() {
        const folder = bo.createFolder('Projects/Oslo')
        bo.moveFolder(folder, 'deleteditems')
        trashed.push(folder)
      },
    }
    for (let round = 0; round < ROUNDS; round++) {
      const request = pipeline.sync()
      for (let count = 0; count < 5; count++) {
        // Some changes occur during the listing, some after it.
        await timeout(random() * MAX_BETWEEN_MS)
        deeds[one(Object.keys(deeds)) ?? '']?.()
      }
      const run = await request
      t.match(run, { addsUp: true, failure: undefined })
    }
    const run = await pipeline.sync()
    t.match(run, { addsUp: true, failure: undefined })
    t.same(await known(pipeline), there(sim, trashed))
    t.same(await pipeline.dead('list-ids'), [])
    t.same(await pipeline.dead('batch-fetch'), [])
    sim.resetCalls()
    t.match(await pipeline.sync(), { listed: 0, tasks: 0 }, 'no work is left')
    if (!sim.quirks.emptyPages) t.ok(sim.calls().total <= 8, `${sim.calls().total} calls`)
  })
}
