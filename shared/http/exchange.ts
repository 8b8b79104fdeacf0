import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent, type AgentOptions as HttpsAgentOptions } from 'node:https'
import type { HttpsProxyAgent } from 'https-proxy-agent'
import type { RequestInit, Response } from 'node-fetch'
import type { Proxies } from '../settings/proxies.ts'
import { type AddressCheck, createPinning, type LookUp, systemLookUp } from './pinning.ts'
import { hostOf, proxyFor } from './proxy.ts'
import { throughTunnel, withAddress } from './tunnel.ts'

/** A request to send; its signal limits how long it may take. */
export interface Exchange {
  method?: string
  headers?: Readonly<Record<string, string>>
  body?: string
  signal?: AbortSignal | undefined
  /** The largest decompressed answer that is read; 64 MiB by default. Reading a larger one throws. */
  mostBytes?: number
}

/** The transport of requests to providers and simulators, with connections of its own. */
export interface Http {
  /** Sends one request. Follows no redirect, because a bearer must reach nobody else. Reads no answer beyond its limit. */
  exchange(url: string | URL, exchange?: Exchange): Promise<Response>
  /**
   * Returns the same transport for Google's libraries, which otherwise use a `fetch` of their own and read proxies from the environment
   * unless they have an agent. The transport chooses the agent of each request itself.
   */
  forGoogle(mostBytes?: number): { agent: (url: URL) => HttpAgent; fetchImplementation: typeof globalThis.fetch }
  /**
   * Returns the same transport for one receiver whose addresses must be checked, with connections of its own. Throws `misconfigured` with the
   * fault that `faultOf` finds, before anything is sent. A name is looked up once a connection, every address of the answer is checked, and
   * only those are connected to. A proxy is given the checked address instead of the name; without its tunnel `unavailable` is thrown.
   */
  checked(faultOf: AddressCheck): Pick<Http, 'exchange'>
  /** Closes its connections. A later request opens another one. */
  close(): void
}

interface Agents {
  'http:': HttpAgent
  'https:': HttpsAgent
}

const MAX_BYTES = 64 << 20

// Idle connections are reused to save TLS handshakes, as Node's own agents do. Those agents' environment settings do not apply here.
const KEPT = { keepAlive: true, scheduling: 'lifo', timeout: 5000 } as const

/**
 * Opens a transport that uses these proxies, but never for this machine. Its libraries are loaded with the first request, because every
 * command has a transport and few use it. `lookUp` resolves the names of checked receivers.
 */
export function openHttp(proxies: Proxies, lookUp: LookUp = systemLookUp): Http {
  const agents: HttpAgent[] = []
  const direct = agentsWith(KEPT)
  const proxied = new Map<string, HttpsProxyAgent<string>>()
  let library: Promise<typeof import('node-fetch')> | undefined

  return {
    exchange: (url, exchange = {}) => send(url, requestOf(exchange)),

    forGoogle(mostBytes = MAX_BYTES) {
      const fetchImplementation = (url: string | URL, request: RequestInit) =>
        send(url, { ...request, size: mostBytes })
      return {
        agent: url => agentFrom(direct, url),
        fetchImplementation: fetchImplementation as unknown as typeof globalThis.fetch,
      }
    },

    checked(faultOf) {
      const pinning = createPinning(lookUp, faultOf)
      const pinned = agentsWith({ ...KEPT, lookup: pinning.lookup })
      return {
        async exchange(url, exchange = {}) {
          const target = new URL(url)
          const host = hostOf(target)
          const request = requestOf(exchange)
          const proxy = proxyFor(target, proxies)
          if (proxy === undefined) return pinning.guard(host, () => fetchBy(agentFrom(pinned, target), target, request))
          const address = await pinning.addressOf(host)
          const { HttpsProxyAgent } = await import('https-proxy-agent')
          const agent = new HttpsProxyAgent(proxy)
          const headers = { ...exchange.headers, host: target.host }
          return throughTunnel(agent, () => fetchBy(agent, withAddress(target, address), { ...request, headers }))
        },
      }
    },

    close() {
      for (const agent of [...agents, ...proxied.values()]) agent.destroy()
    },
  }

  async function send(url: string | URL, request: RequestInit): Promise<Response> {
    return fetchBy(await agentFor(new URL(url)), url, request)
  }

  async function fetchBy(agent: HttpAgent, url: string | URL, request: RequestInit): Promise<Response> {
    library ??= import('node-fetch')
    const { default: fetch } = await library
    return fetch(url, { ...request, redirect: 'manual', agent })
  }

  async function agentFor(url: URL): Promise<HttpAgent> {
    const proxy = proxyFor(url, proxies)
    if (proxy === undefined) return agentFrom(direct, url)
    const { HttpsProxyAgent } = await import('https-proxy-agent')
    const known = proxied.get(proxy) ?? new HttpsProxyAgent(proxy, KEPT)
    proxied.set(proxy, known)
    return known
  }

  function agentsWith(options: HttpsAgentOptions): Agents {
    const opened = { 'http:': new HttpAgent(options), 'https:': new HttpsAgent(options) }
    agents.push(...Object.values(opened))
    return opened
  }
}

function agentFrom(agents: Agents, { protocol }: URL): HttpAgent {
  return agents[protocol === 'https:' ? 'https:' : 'http:']
}

function requestOf({ mostBytes = MAX_BYTES, signal, ...request }: Exchange): RequestInit {
  return { ...request, signal: signal ?? null, size: mostBytes }
}

/** Returns whether an error means that an answer exceeded its limit. */
export function isTooLarge(thrown: unknown): boolean {
  if (!(thrown instanceof Error)) return false
  return ('type' in thrown && thrown.type === 'max-size') || isTooLarge(thrown.cause)
}
