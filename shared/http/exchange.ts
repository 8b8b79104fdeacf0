import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { HttpsProxyAgent } from 'https-proxy-agent'
import fetch, { type RequestInit, type Response } from 'node-fetch'
import { readProxies } from '../config.ts'
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

const MOST_BYTES = 64 << 20

// Idle connections are reused to save TLS handshakes, as Node's own agents do. Those agents' environment settings do not apply here.
const KEPT = { keepAlive: true, scheduling: 'lifo', timeout: 5000 } as const
const direct = { 'http:': new HttpAgent(KEPT), 'https:': new HttpsAgent(KEPT) }
const proxied = new Map<string, HttpsProxyAgent<string>>()

/**
 * Sends one request; every request to providers and simulators goes through here. Follows no redirect, because a bearer must reach nobody
 * else. Reads no answer beyond its limit. Uses the proxy of HTTPS_PROXY, HTTP_PROXY and NO_PROXY, but never for this machine.
 */
export function exchange(url: string | URL, { mostBytes = MOST_BYTES, ...request }: Exchange = {}): Promise<Response> {
  return send(url, { ...request, signal: request.signal ?? null, size: mostBytes })
}

/**
 * Returns the same transport for Google's libraries, which otherwise use a `fetch` of their own and read proxies from the environment
 * unless they have an agent.
 */
export function forGoogle(mostBytes = MOST_BYTES) {
  const fetchImplementation = (url: string | URL, request: RequestInit) => send(url, { ...request, size: mostBytes })
  return { agent: agentFor, fetchImplementation: fetchImplementation as unknown as typeof globalThis.fetch }
}

/** Returns whether an error means that an answer exceeded its limit. */
export function isTooLarge(thrown: unknown): boolean {
  if (!(thrown instanceof Error)) return false
  return ('type' in thrown && thrown.type === 'max-size') || isTooLarge(thrown.cause)
}

function send(url: string | URL, request: RequestInit): Promise<Response> {
  return fetch(url, { ...request, redirect: 'manual', agent: agentFor })
}

function agentFor(url: URL): HttpAgent {
  const proxy = proxyFor(url, readProxies())
  if (proxy === undefined) return direct[url.protocol === 'https:' ? 'https:' : 'http:']
  const known = proxied.get(proxy) ?? new HttpsProxyAgent(proxy, KEPT)
  proxied.set(proxy, known)
  return known
}
