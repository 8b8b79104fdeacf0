import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { measureQuota } from '../bench/quota.ts'
import type { GmailSimulator } from '../sim/gmail.ts'

t.test('four fetchers use the minutes of a mailbox up, and are not refused', async t => {
  const use = await measureQuota({ messages: 1600, speed: 20, fetchers: 4 })
  t.match(use, { messages: 1600, read: 1600, dead: 0 })
  t.ok(use.worstMinute <= 6000, `${use.worstMinute} units in the worst minute`)
  t.ok(use.refusedShare < 0.01, `${use.refused} of ${use.requests} requests were refused`)
  // A busy machine is late; `npm run bench -- quota` takes its time and reaches 97 %.
  t.ok(use.used >= 0.75, `${(use.used * 100).toFixed(1)} % used`)
})

t.test('with a client in the same mailbox that nobody told, two fetchers slow down instead of storming', async t => {
  let stranger = { served: 0, refused: 0 }
  const use = await measureQuota({
    messages: 1600,
    speed: 20,
    fetchers: 2,
    meanwhile(sim, address) {
      const plain = plainClient(sim, address)
      stranger = plain.counts
      return plain
    },
  })
  t.match(use, { messages: 1600, read: 1600, dead: 0 })
  const ours = use.refused - stranger.refused
  t.ok(stranger.served > 30, `it was served ${stranger.served} times`)
  t.ok(ours / (use.requests - stranger.served - stranger.refused) < 0.1, `${ours} of our requests were refused`)
  t.ok(stranger.refused / stranger.served < 0.2, `${stranger.refused} of its requests`)
})

// Asks for one message after another, a good third of what a minute holds, and tries again a little later when it is refused.
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
