import t from 'tap'
import { createPace } from '../../../pipeline/gateway/pace.ts'

t.test('twenty refusals at once wait for nothing, and two hundred a second never do', async t => {
  const pace = createPace()
  for (let n = 0; n < 20; n += 1) t.equal(pace(1000), 0)
  t.equal(pace(1000), 5)
  const steady = createPace()
  for (let ms = 1000; ms < 11_000; ms += 5) if (steady(ms) > 0) t.fail(`it waits at ${ms} ms`)
})

t.test('of a flood two hundred a second are answered, and none waits for more than half a second', async t => {
  const pace = createPace()
  const waits = Array.from({ length: 10_000 }, () => pace(1000))
  t.equal(waits[119], 500)
  t.ok(waits.every(ms => ms <= 500))
  // Forty clients, each of which asks again as soon as it is answered.
  const closed = createPace()
  const clients = Array.from({ length: 40 }, () => 0)
  let answers = 0
  for (let at = Math.min(...clients); at < 10_000; at = Math.min(...clients)) {
    clients[clients.indexOf(at)] = at + Math.max(closed(at), 0.1)
    answers += 1
  }
  t.ok(answers <= 2100, `${answers} answers in ten seconds`)
})

t.test('after a flood the next refusals are answered at once again', async t => {
  const pace = createPace()
  for (let n = 0; n < 10_000; n += 1) pace(1000)
  t.equal(pace(2100), 0)
})
