import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { measureQuota } from '../../bench/quota.ts'
import type { GmailSimulator } from '../../sim/gmail/simulator.ts'

// Factor by which minutes pass faster. A machine that is too busy to spend the units of a minute in time gets longer minutes.
const SPEEDS = [20, 8]
const MESSAGES = 1600
// Half of the requests that may be in flight.
const ONE_CROWD = 30

t.test('four fetchers use the full quota without refusals', async t => {
  let used = 0
  for (const speed of SPEEDS) {
    const use = await measureQuota({ messages: MESSAGES, speed, fetchers: 4 })
    t.match(use, { messages: MESSAGES, read: MESSAGES, dead: 0 })
    t.ok(use.worstMinute <= 6000, `${use.worstMinute} units in the worst minute`)
    const refused = use.refused - use.crowded
    t.ok(refused / use.requests < 0.01, `${refused} of ${use.requests} requests were refused`)
    t.ok(use.crowded <= ONE_CROWD, `${use.crowded} were refused because too many were in flight`)
    used = Math.max(used, use.used)
    if (used >= 0.75) break
  }
  // `npm run bench -- quota` reads for longer and reaches 97 %.
  t.ok(used >= 0.75, `${(used * 100).toFixed(1)} % used`)
})

// The number of refusals depends on timing; test/shared/redis/quota-stranger.test.ts counts them in simulated time.
t.test('two fetchers read everything beside a foreign client without a storm', async t => {
  let stranger = { served: 0, refused: 0 }
  const use = await measureQuota({
    messages: MESSAGES,
    speed: 20,
    fetchers: 2,
    meanwhile(sim, address) {
      const plain = plainClient(sim, address)
      stranger = plain.counts
      return plain
    },
  })
  t.match(use, { messages: MESSAGES, read: MESSAGES, dead: 0 })
  const refused = use.refused - stranger.refused
  const requests = use.requests - stranger.served - stranger.refused
  t.ok(stranger.served > 10, `it was served ${stranger.served} times`)
  t.ok(refused / requests < 0.2, `${refused} of our ${requests} requests were refused`)
})

// Requests one message after another, over a third of the quota, and retries shortly after a refusal.
function plainClient(sim: GmailSimulator, address: string) {
  const counts = { served: 0, refused: 0 }
  const stopping = new AbortController()
  const work = async () => {
    const token = await fetch(`${sim.url}/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'refresh_token',
        refresh_token: `simulated:${address}`,
        client_id: 'x',
        client_secret: 'x',
      }),
    })
    const { access_token } = (await token.json()) as { access_token: string }
    const get = (path: string) =>
      fetch(`${sim.url}/gmail/v1/users/me/${path}`, { headers: { authorization: `Bearer ${access_token}` } })
    const { messages } = (await (await get('messages')).json()) as { messages: { id: string }[] }
    for (let turn = 0; !stopping.signal.aborted; turn += 1) {
      const { id } = messages[turn % messages.length] ?? { id: '' }
      const answer = await get(`messages/${id}?format=minimal`)
      await answer.text()
      if (answer.ok) counts.served += 1
      else counts.refused += 1
      await sleep(answer.ok ? 22 : 110, undefined, { signal: stopping.signal }).catch(() => undefined)
    }
  }
  const done = work()
  return {
    counts,
    async stop() {
      stopping.abort()
      await done
    },
  }
}
