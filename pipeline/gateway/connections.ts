import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import { peerKey } from './client-address.ts'

/** The bounded set of connections of a server. */
export interface Connections {
  /** Marks a connection as proven after a verified request: unproven connections are closed first. */
  prove(socket: Socket): void
  /** Marks a connection whose request is refused: until the answer is sent it is closed first. */
  refuse(socket: Socket): void
  count(): number
}

interface Connection {
  peer: string
  isProven: boolean
  isRefused?: boolean
  request?: IncomingMessage | undefined
}

/**
 * Limits a server to `most` connections. At the limit a new connection replaces one that waits for a request or for the rest of one.
 * Unproven connections are closed first, then those of the address with the most connections, then the oldest. So idle and slow
 * connections cannot lock others out; a new connection is closed only when all others are being answered.
 */
export function boundConnections(server: Server, most: number): Connections {
  // Insertion order: the oldest is first.
  const open = new Map<Socket, Connection>()
  // Node still counts connections that were closed in this turn of the event loop.
  server.maxConnections = 2 * most

  server.on('connection', (socket: Socket) => {
    if (open.size >= most) {
      const weakest = weakestOf(open)
      drop(weakest ?? socket)
      if (!weakest) return
    }
    open.set(socket, { peer: peerKey(socket.remoteAddress ?? ''), isProven: false })
    socket.once('close', () => open.delete(socket))
  })
  server.on('request', (request, response) => {
    const connection = open.get(request.socket)
    if (!connection) return
    connection.request = request
    response.once('close', () => {
      if (connection.request !== request) return
      connection.request = undefined
      connection.isRefused = false
      // A used connection becomes the newest.
      if (open.delete(request.socket)) open.set(request.socket, connection)
    })
  })

  return {
    prove(socket) {
      const connection = open.get(socket)
      if (connection) connection.isProven = true
    },
    refuse(socket) {
      const connection = open.get(socket)
      if (connection) connection.isRefused = true
    },
    count: () => open.size,
  }

  function drop(socket: Socket): void {
    open.delete(socket)
    socket.destroy()
  }
}

function weakestOf(open: ReadonlyMap<Socket, Connection>): Socket | undefined {
  const counts = new Map<string, number>()
  for (const { peer } of open.values()) counts.set(peer, (counts.get(peer) ?? 0) + 1)
  let weakest: { socket: Socket; isProven: boolean; count: number } | undefined
  for (const [socket, { peer, isProven, isRefused, request }] of open) {
    if (isRefused) return socket
    // A complete request is being answered.
    if (request?.complete) continue
    const count = counts.get(peer) ?? 0
    const isWeaker = !weakest || (isProven === weakest.isProven ? count > weakest.count : weakest.isProven)
    if (isWeaker) weakest = { socket, isProven, count }
  }
  return weakest?.socket
}
