import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A TCP proxy before Redis that can fail the way networks do. */
export interface CuttingProxy {
  url: string
  /** Forwards the next request that matches, lets Redis do it, and cuts the connection before its answer comes back. */
  cutAfter(request: RegExp, options?: { leastReplyBytes?: number }): Moment
  /** Forwards nothing more of the connection on which a request matches, beginning with that request. */
  holdBefore(request: RegExp): Moment
  /** Passes nothing on any more on the connections there are, silently: of what goes to Redis, of what comes from there, or of both. */
  blackHole(direction: 'requests' | 'replies' | 'both'): void
  /** Resets every connection there is. */
  reset(): void
  /** Cuts all connections and refuses new ones. */
  refuse(): void
  /** Accepts connections again. */
  heal(): void
  /** How many connections were refused. */
  refused(): number
  close(): Promise<void>
}

/** Something that will go wrong at one request. */
export interface Moment {
  /** Resolves once it has. */
  struck: Promise<void>
  strikes(): number
}

interface Plan {
  request: RegExp
  action: 'cut' | 'hold'
  leastReplyBytes: number
  strike: () => void
}

interface Pair {
  client: Socket
  server: Socket
  lost: { requests: boolean; replies: boolean }
}

/** Starts a proxy on a loopback port that forwards to a port of this machine. */
export async function startProxy(port: number): Promise<CuttingProxy> {
  const plans: Plan[] = []
  const pairs = new Set<Pair>()
  let refusing = false
  let refused = 0
  const listener = createServer(client => {
    client.on('error', () => undefined)
    if (refusing) {
      refused += 1
      return void client.resetAndDestroy()
    }
    forward(client)
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')

  const at = (action: Plan['action'], request: RegExp, leastReplyBytes = 0): Moment => {
    let strikes = 0
    const struck = new Promise<void>(resolve => {
      plans.push({
        request,
        action,
        leastReplyBytes,
        strike() {
          strikes += 1
          resolve()
        },
      })
    })
    return { struck, strikes: () => strikes }
  }
  const reset = () => {
    for (const { client } of pairs) client.resetAndDestroy()
  }
  return {
    url: `redis://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    cutAfter: (request, { leastReplyBytes = 0 } = {}) => at('cut', request, leastReplyBytes),
    holdBefore: request => at('hold', request),
    blackHole(direction) {
      for (const { lost } of pairs) {
        lost.requests ||= direction !== 'replies'
        lost.replies ||= direction !== 'requests'
      }
    },
    reset,
    refuse() {
      refusing = true
      reset()
    },
    heal() {
      refusing = false
    },
    refused: () => refused,
    async close() {
      const closed = once(listener, 'close')
      listener.close()
      reset()
      await closed
    },
  }

  function forward(client: Socket): void {
    const server = connect(port, '127.0.0.1')
    const pair: Pair = { client, server, lost: { requests: false, replies: false } }
    pairs.add(pair)
    let cutting: Plan | undefined
    const end = () => {
      pairs.delete(pair)
      client.destroy()
      server.destroy()
    }
    server.on('error', end)
    server.on('close', end)
    client.on('close', end)
    client.on('data', data => {
      if (pair.lost.requests) return
      const plan = plans.find(({ request }) => request.test(data.toString('latin1')))
      if (plan) plans.splice(plans.indexOf(plan), 1)
      if (plan?.action === 'hold') {
        pair.lost.requests = true
        return plan.strike()
      }
      cutting ??= plan
      server.write(data)
    })
    server.on('data', data => {
      if (pair.lost.replies) return
      if (!cutting) return void client.write(data)
      if (data.length < cutting.leastReplyBytes) return void client.write(data)
      pair.lost.replies = true
      cutting.strike()
      client.off('close', end).resetAndDestroy()
      // Whatever else was sent before the cut still happens.
      server.end()
    })
  }
}
