import { timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { isIP } from 'node:net'
import type { FastifyInstance } from 'fastify'

/** Access rules of a simulator. */
export interface GateOptions {
  /** The listening address; 127.0.0.1 by default. */
  host?: string
  /**
   * Accepted host names beside those of this machine, such as that of its container; in any case, without a
   * port.
   */
  allowedHosts?: readonly string[]
  /**
   * The token that the control port requires as `Authorization: Bearer …`. Without one the port is open: only
   * for simulators inside a test.
   */
  controlToken?: string
}

interface Refusal {
  status: number
  message: string
}

const ANY_ADDRESS = new Set(['0.0.0.0', '::'])
// A link to the consent page may come from another site, because the person is asked there. A request that
// already answers is never a link.
const ANSWERS = /[?&](approve|deny)=/

/**
 * Creates a server that refuses requests a foreign web page could send. It checks for a Host of another
 * machine (a foreign name that points here), a foreign Origin, and a browser's cross-site mark. Answers 421
 * or 403, as JSON.
 */
export function guardedServer(handler: RequestListener, options: GateOptions): Server {
  return createServer((request, response) => {
    const refusal = refusalOf(request, options)
    if (refusal) refuse(response, refusal)
    else handler(request, response)
  })
}

/**
 * Requires the control token at every route under `/control`, in any spelling of the path; 401 without it.
 */
export function guardControl(app: FastifyInstance, { controlToken }: GateOptions): void {
  if (controlToken === undefined) return
  const expected = Buffer.from(`Bearer ${controlToken}`)
  app.addHook('onRequest', async (request, reply) => {
    // Checks the matched route, because the raw path may hide it.
    if (!request.routeOptions.url?.startsWith('/control/')) return
    const given = Buffer.from(request.headers.authorization ?? '')
    if (given.length === expected.length && timingSafeEqual(given, expected)) return
    const message =
      'The control port requires its token: Authorization: Bearer SIM_TOKEN, as `mailsluice sim` prints it.'
    return reply
      .code(401)
      .header('www-authenticate', 'Bearer')
      .send(bodyOf({ status: 401, message }))
  })
}

function refusalOf({ headers, url = '', method }: IncomingMessage, options: GateOptions): Refusal | undefined {
  const { host = '', origin } = headers
  if (!isAllowed(host, options)) {
    const message = `The simulator is not asked as ${JSON.stringify(nameOf(host) ?? host)}: start it with --allow-host and that name if it is to be.`
    return { status: 421, message }
  }
  const site = headers['sec-fetch-site']
  const isLink =
    (method === 'GET' || method === 'HEAD') &&
    headers['sec-fetch-mode'] === 'navigate' &&
    headers['sec-fetch-dest'] === 'document' &&
    !ANSWERS.test(url)
  const isForeign = site !== undefined && site !== 'same-origin' && site !== 'none' && !isLink
  if (isForeign || (origin !== undefined && !isSameOrigin(origin, host)))
    return { status: 403, message: 'The simulator answers no web page of another site.' }
  return undefined
}

function isAllowed(host: string, { host: own = '127.0.0.1', allowedHosts = [] }: GateOptions): boolean {
  const name = nameOf(host)
  if (name === undefined) return false
  if (isLoopback(name) || name === own.toLowerCase()) return !ANY_ADDRESS.has(name)
  if (allowedHosts.some(allowed => allowed.toLowerCase() === name)) return true
  // A name can point anywhere; an address cannot.
  return ANY_ADDRESS.has(own) && isIP(name) !== 0 && !ANY_ADDRESS.has(name)
}

function isLoopback(name: string): boolean {
  return name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'))
}

function isSameOrigin(origin: string, host: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === host.toLowerCase()
}

/** Returns the host of `host:port` in lower case, without brackets; `undefined` if it is invalid. */
function nameOf(host: string): string | undefined {
  const [, bracketed, plain] = /^(?:\[([\da-f:.]+)\]|([a-z\d._-]+))(?::\d{1,5})?$/i.exec(host) ?? []
  return (bracketed ?? plain)?.toLowerCase()
}

function refuse(response: ServerResponse, refusal: Refusal): void {
  const type = { 'content-type': 'application/json; charset=utf-8', 'x-content-type-options': 'nosniff' }
  response.writeHead(refusal.status, { ...type, connection: 'close' }).end(JSON.stringify(bodyOf(refusal)))
}

function bodyOf({ status, message }: Refusal): object {
  return { error: { code: status, message } }
}
