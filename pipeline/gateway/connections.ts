import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import { peerKey } from './client-address.ts'

/** The connections of a server, of which there are never more than a number. */
export interface Connections {
  /** Notes that what came over this connection was believed: others are closed before it. */
  prove(socket: Socket): void
  count(): number
}

interface Held {
  peer: string
  isProven: boolean
  request?: IncomingMessage | undefined
}

/**
 * Keeps a server at `most` connections. Where there are as many, a new one takes the place of one that only waits: for a request, or for
 * the rest of one. Those over which nothing was ever believed go first, of them those of the address that holds the most, of them the
 * oldest. So idle and slow connections cannot keep anybody out; a new one is closed only where all others are being answered.
 */
export function boundConnections(server: Server, most: number): Connections {
  // The oldest is first.
  const held = new Map<Socket, Held>()
  // What was closed in this turn of the event loop still counts with Node.
  server.maxConnections = 2 * most

  server.on('connection', (socket: Socket) => {
    if (held.size >= most) {
      const weakest = weakestOf(held)
      drop(weakest ?? socket)
      if (!weakest) return
    }
    held.set(socket, { peer: peerKey(socket.remoteAddress ?? ''), isProven: false })
    socket.once('close', () => held.delete(socket))
  })
  server.on('request', (request, response) => {
    const holding = held.get(request.socket)
    if (!holding) return
    holding.request = request
    response.once('close', () => {
      if (holding.request !== request) return
      holding.request = undefined
      // It has just been of use.
      if (held.delete(request.socket)) held.set(request.socket, holding)
    })
  })

  return {
    prove(socket) {
      const holding = held.get(socket)
      if (holding) holding.isProven = true
    },
    count: () => held.size,
  }

  function drop(socket: Socket): void {
    held.delete(socket)
    socket.destroy()
  }
}

function weakestOf(held: ReadonlyMap<Socket, Held>): Socket | undefined {
  const counts = new Map<string, number>()
  for (const { peer } of held.values()) counts.set(peer, (counts.get(peer) ?? 0) + 1)
  let weakest: { socket: Socket; isProven: boolean; count: number } | undefined
  for (const [socket, { peer, isProven, request }] of held) {
    // Its request is whole: it is being answered.
    if (request?.complete) continue
    const count = counts.get(peer) ?? 0
    const isWeaker = !weakest || (isProven === weakest.isProven ? count > weakest.count : weakest.isProven)
    if (isWeaker) weakest = { socket, isProven, count }
  }
  return weakest?.socket
}
