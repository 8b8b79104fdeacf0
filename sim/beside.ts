import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'

/** A handler that answers some requests of a server in place of its own. */
export interface Beside {
  /** Whether it claims a request, by path and query. */
  claims(url: string): boolean
  handle(request: IncomingMessage, response: ServerResponse): void
}

/** Passes claimed requests to the other handler, and the rest to this one. */
export function handlerBeside(handler: RequestListener, beside: Beside | undefined): RequestListener {
  if (!beside) return handler
  return (request, response) =>
    beside.claims(request.url ?? '') ? beside.handle(request, response) : handler(request, response)
}
