import { ownOf } from '../own.ts'

/** By which proxies addresses that begin with https: and http: are asked, and which hosts are asked directly, as NO_PROXY names them. */
export interface Proxies {
  https: string | undefined
  http: string | undefined
  except: readonly string[]
}

const VARIABLES = ['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY', 'NO_PROXY'] as const

/** The variables of proxies that are set, by their upper-case names; the lower-case one goes first, as with curl. */
export function proxyVariables(
  environment: Readonly<Record<string, string | undefined>>,
): Partial<Record<(typeof VARIABLES)[number], string>> {
  const found = VARIABLES.map(
    name => [name, ownOf(environment, name.toLowerCase()) || ownOf(environment, name)] as const,
  )
  return Object.fromEntries(found.filter(([, value]) => value))
}

/** Whether a variable names proxies, in upper or lower case. */
export function isProxyVariable(name: string): boolean {
  return VARIABLES.some(one => name === one || name === one.toLowerCase())
}

/** The proxies that these variables name. */
export function proxiesIn(environment: Readonly<Record<string, string | undefined>>): Proxies {
  const { HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY = '' } = proxyVariables(environment)
  const [https, http] = [HTTPS_PROXY ?? ALL_PROXY, HTTP_PROXY ?? ALL_PROXY].map(text => text && asProxy(text))
  return { https, http, except: NO_PROXY.split(/[\s,]+/).filter(Boolean) }
}

/** The address of a proxy; without a scheme it is http, as other programs read it. */
export function asProxy(text: string): string {
  return /^[a-z][a-z\d+.-]*:\/\//i.test(text) ? text : `http://${text}`
}
