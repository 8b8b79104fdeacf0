import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { HttpsProxyAgent } from 'https-proxy-agent'
import fetch, { type RequestInit, type Response } from 'node-fetch'
import { readProxies } from '../config.ts'
import { proxyFor } from './proxy.ts'

/** A request as it is sent: who asks decides how long it may take, by the signal. */
export interface Exchange {
  method?: string
  headers?: Readonly<Record<string, string>>
  body?: string
  signal?: AbortSignal | undefined
  /** The largest answer that is read, decompressed; 64 MiB by default. Reading a larger one throws. */
  mostBytes?: number
}

const MOST_BYTES = 64 << 20

// A connection that rests is used again, or each call would pay for a TLS handshake: as Node's own agents do it. Whatever those were told by
// the environment does not hold here.
const KEPT = { keepAlive: true, scheduling: 'lifo', timeout: 5000 } as const
const direct = { 'http:': new HttpAgent(KEPT), 'https:': new HttpsAgent(KEPT) }
const proxied = new Map<string, HttpsProxyAgent<string>>()

/**
 * Sends one request: the only way by which providers and simulators are asked. Follows no redirect, for a bearer is meant for nobody else;
 * reads no answer beyond its limit; and goes through the proxy of HTTPS_PROXY, HTTP_PROXY and NO_PROXY, but never to this machine.
 */
export function exchange(url: string | URL, { mostBytes = MOST_BYTES, ...request }: Exchange = {}): Promise<Response> {
  return send(url, { ...request, signal: request.signal ?? null, size: mostBytes })
}

/** The same for Google's libraries, which bring a `fetch` of their own otherwise. They read proxies from the environment unless they have an agent. */
export function forGoogle(mostBytes = MOST_BYTES) {
  const fetchImplementation = (url: string | URL, request: RequestInit) => send(url, { ...request, size: mostBytes })
  return { agent: agentFor, fetchImplementation: fetchImplementation as unknown as typeof globalThis.fetch }
}

/** Whether an answer was larger than its limit. */
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
