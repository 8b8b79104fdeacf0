import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'

/** What answers some requests of a server in its place. */
export interface Beside {
  /** Whether a request is its own, by path and query. */
  claims(url: string): boolean
  handle(request: IncomingMessage, response: ServerResponse): void
}

/** Hands over to another what it claims, and the rest to the handler. */
export function handlerBeside(handler: RequestListener, beside: Beside | undefined): RequestListener {
  if (!beside) return handler
  return (request, response) =>
    beside.claims(request.url ?? '') ? beside.handle(request, response) : handler(request, response)
}
