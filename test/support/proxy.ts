import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A TCP proxy in front of Redis that fails as networks do. */
export interface CuttingProxy {
  url: string
  port: number
  /** Forwards the next matching request, lets Redis execute it, and cuts the connection before the answer. */
  cutAfter(request: RegExp, options?: { leastReplyBytes?: number }): Moment
  /** Cuts the connection in the middle of the next matching write: Redis gets its first half. */
  cutWithin(request: RegExp): Moment
  /** Stops forwarding a connection from its next matching request on. */
  holdBefore(request: RegExp): Moment
  /** Stops forwarding what Redis writes on a connection, from the matching command on: for a replica's link. */
  muteBefore(reply: RegExp): Moment
  /** Silently stops forwarding on the open connections: to Redis, from Redis, or both. */
  blackHole(direction: 'requests' | 'replies' | 'both'): void
  /** Resets every open connection. */
  reset(): void
  /** Cuts all connections and refuses new ones. */
  refuse(): void
  /** Accepts connections again. */
  heal(): void
  /** Forwards new connections to another port; open ones stay. */
  redirect(port: number): void
  /** The number of refused connections. */
  refused(): number
  close(): Promise<void>
}

/** A planned failure of one request. */
export interface Moment {
  /** Resolves once it has happened. */
  struck: Promise<void>
  strikes(): number
}

interface Plan {
  matches: RegExp
  action: 'cut' | 'tear' | 'hold' | 'mute'
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
  let target = port
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

  const at = (action: Plan['action'], matches: RegExp, leastReplyBytes = 0): Moment => {
    let strikes = 0
    const struck = new Promise<void>(resolve => {
      plans.push({
        matches,
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
  const listensAt = (listener.address() as AddressInfo).port
  return {
    url: `redis://127.0.0.1:${listensAt}`,
    port: listensAt,
    cutAfter: (request, { leastReplyBytes = 0 } = {}) => at('cut', request, leastReplyBytes),
    cutWithin: request => at('tear', request),
    holdBefore: request => at('hold', request),
    muteBefore: reply => at('mute', reply),
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
    redirect(to) {
      target = to
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
    const server = connect(target, '127.0.0.1')
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
      const plan = planned(data, action => action !== 'mute')
      if (plan?.action === 'hold') {
        pair.lost.requests = true
        return plan.strike()
      }
      if (plan?.action === 'tear') {
        pair.lost.requests = true
        plan.strike()
        client.off('close', end).resetAndDestroy()
        return void server.end(data.subarray(0, data.length / 2))
      }
      cutting ??= plan
      server.write(data)
    })
    server.on('data', data => {
      if (pair.lost.replies) return
      const muting = planned(data, action => action === 'mute')
      if (muting) {
        pair.lost.replies = true
        client.write(data.subarray(0, commandAt(data, muting.matches)))
        return muting.strike()
      }
      if (!cutting) return void client.write(data)
      if (data.length < cutting.leastReplyBytes) return void client.write(data)
      pair.lost.replies = true
      cutting.strike()
      client.off('close', end).resetAndDestroy()
      // Other requests sent before the cut still happen.
      server.end()
    })
  }

  /** Removes and returns the plan for the current data, if there is one. */
  function planned(data: Buffer, is: (action: Plan['action']) => boolean): Plan | undefined {
    const text = data.toString('latin1')
    const place = plans.findIndex(({ action, matches }) => is(action) && matches.test(text))
    return place < 0 ? undefined : plans.splice(place, 1)[0]
  }
}

/** Finds the start of the matching command. */
function commandAt(data: Buffer, matches: RegExp): number {
  const text = data.toString('latin1')
  const end = text.lastIndexOf('\r\n*', text.search(matches))
  return end < 0 ? 0 : end + 2
}
