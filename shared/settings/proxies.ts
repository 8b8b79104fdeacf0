import { ownOf } from '../own.ts'

/** The proxies for https: and http: addresses, and the hosts that NO_PROXY exempts. */
export interface Proxies {
  https: string | undefined
  http: string | undefined
  except: readonly string[]
}

const VARIABLES = ['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY', 'NO_PROXY'] as const

/** Returns the proxy variables that are set, by upper-case name; a lower-case variable wins, as with curl. */
export function proxyVariables(
  environment: Readonly<Record<string, string | undefined>>,
): Partial<Record<(typeof VARIABLES)[number], string>> {
  const found = VARIABLES.map(
    name => [name, ownOf(environment, name.toLowerCase()) || ownOf(environment, name)] as const,
  )
  return Object.fromEntries(found.filter(([, value]) => value))
}

/** Returns whether a variable is a proxy variable, in upper or lower case. */
export function isProxyVariable(name: string): boolean {
  return VARIABLES.some(one => name === one || name === one.toLowerCase())
}

/** Returns the proxies that these variables name. */
export function proxiesIn(environment: Readonly<Record<string, string | undefined>>): Proxies {
  const { HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY = '' } = proxyVariables(environment)
  const [https, http] = [HTTPS_PROXY ?? ALL_PROXY, HTTP_PROXY ?? ALL_PROXY].map(text => text && asProxy(text))
  return { https, http, except: NO_PROXY.split(/[\s,]+/).filter(Boolean) }
}

/** Returns the address of a proxy; without a scheme it becomes http, as in other programs. */
export function asProxy(text: string): string {
  return /^[a-z][a-z\d+.-]*:\/\//i.test(text) ? text : `http://${text}`
}
