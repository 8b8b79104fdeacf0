import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Notifying } from '../../shared/outlook/subscription.ts'

/** A receiver on loopback that Graph may notify: validates, and accepts every notification. */
export interface Notified {
  notify: Notifying
  close(): Promise<void>
}

/** Starts the receiver. */
export async function startNotified(): Promise<Notified> {
  const server = createServer((request, response) => {
    request.resume()
    const token = new URL(request.url ?? '/', 'http://localhost').searchParams.get('validationToken')
    response.writeHead(token === null ? 202 : 200, { 'content-type': 'text/plain' })
    response.end(token ?? '')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    notify: { notificationUrl: `${url}/notifications`, lifecycleUrl: `${url}/lifecycle`, clientState: 'state' },
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
