import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'

/** What answers some requests of a server in its place. */
export interface Beside {
  /** Whether a request is its own, by path and query. */
  claims(url: string): boolean
  handle(request: IncomingMessage, response: ServerResponse): void
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** Makes fastify's server hand over what another claims. */
export function serverBeside(beside: Beside): { serverFactory: (handler: Handler) => Server } {
  const choose = (handler: Handler): Handler => {
    return (request, response) =>
      beside.claims(request.url ?? '') ? beside.handle(request, response) : handler(request, response)
  }
  return { serverFactory: handler => createServer(choose(handler)) }
}
