import t from 'tap'
import { ownerWroteIn } from '../../../shared/redis/known.ts'
import { THREAD } from '../../../shared/redis/schema.ts'

t.test('a thread remembers that its owner wrote, by a mark of its own or of a message', async t => {
  const others = { [`${THREAD.id}m1`]: '1790000000000', [THREAD.dispatchedAt]: `1${THREAD.own}` }
  t.notOk(ownerWroteIn(others))
  t.ok(ownerWroteIn({ ...others, [`${THREAD.id}m2`]: `1790000000000${THREAD.own}` }))
  t.ok(ownerWroteIn({ ...others, [THREAD.ownerWrote]: '1' }), 'after the message was deleted')
})
