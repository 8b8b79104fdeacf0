import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { HttpsProxyAgent } from 'https-proxy-agent'
import type { RequestInit, Response } from 'node-fetch'
import type { Proxies } from '../settings/proxies.ts'
import { proxyFor } from './proxy.ts'

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
  /** Closes its connections. A later request opens another one. */
  close(): void
}

const MAX_BYTES = 64 << 20

// Idle connections are reused to save TLS handshakes, as Node's own agents do. Those agents' environment settings do not apply here.
const KEPT = { keepAlive: true, scheduling: 'lifo', timeout: 5000 } as const

/**
 * Opens a transport that uses these proxies, but never for this machine. Its libraries are loaded with the first request, because every
 * command has a transport and few use it.
 */
export function openHttp(proxies: Proxies): Http {
  const direct = { 'http:': new HttpAgent(KEPT), 'https:': new HttpsAgent(KEPT) }
  const proxied = new Map<string, HttpsProxyAgent<string>>()
  let library: Promise<typeof import('node-fetch')> | undefined

  return {
    exchange: (url, { mostBytes = MAX_BYTES, ...request } = {}) =>
      send(url, { ...request, signal: request.signal ?? null, size: mostBytes }),

    forGoogle(mostBytes = MAX_BYTES) {
      const fetchImplementation = (url: string | URL, request: RequestInit) =>
        send(url, { ...request, size: mostBytes })
      return { agent: directAgent, fetchImplementation: fetchImplementation as unknown as typeof globalThis.fetch }
    },

    close() {
      for (const agent of [...Object.values(direct), ...proxied.values()]) agent.destroy()
    },
  }

  async function send(url: string | URL, request: RequestInit): Promise<Response> {
    library ??= import('node-fetch')
    const { default: fetch } = await library
    return fetch(url, { ...request, redirect: 'manual', agent: await agentFor(new URL(url)) })
  }

  async function agentFor(url: URL): Promise<HttpAgent> {
    const proxy = proxyFor(url, proxies)
    if (proxy === undefined) return directAgent(url)
    const { HttpsProxyAgent } = await import('https-proxy-agent')
    const known = proxied.get(proxy) ?? new HttpsProxyAgent(proxy, KEPT)
    proxied.set(proxy, known)
    return known
  }

  function directAgent({ protocol }: URL): HttpAgent {
    return direct[protocol === 'https:' ? 'https:' : 'http:']
  }
}

/** Returns whether an error means that an answer exceeded its limit. */
export function isTooLarge(thrown: unknown): boolean {
  if (!(thrown instanceof Error)) return false
  return ('type' in thrown && thrown.type === 'max-size') || isTooLarge(thrown.cause)
}
