import { lookup as resolve } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import { MailError } from '../error.ts'

/** Says why no connection to an address may be made, and how to mend it; `undefined` permits the address. */
export type AddressCheck = (address: string) => string | undefined

/** Resolves a name to all its addresses, in the order in which to try them. */
export type LookUp = (host: string) => Promise<readonly Found[]>

interface Found {
  address: string
  family: number
}

/** Keeps connections to addresses that passed a check. */
export interface Pinning {
  /** The look-up for agents: resolves and checks once, and returns what it checked. Agents never call it for a host that is an address. */
  lookup: LookupFunction
  /** Returns a permitted address of a host, IPv4 first. Throws `misconfigured` with the fault where any address has one. */
  addressOf(host: string): Promise<Found>
  /** Sends a request by an agent with this look-up. Throws `misconfigured` with the fault instead of what the agent makes of it. */
  guard<T>(host: string, send: () => Promise<T>): Promise<T>
}

// Clients convert errors of a look-up to their own, and keep only the code.
const REFUSED = 'ADDRESS_REFUSED'

/** Resolves by the system, hosts file included. */
export const systemLookUp: LookUp = host => resolve(host, { all: true })

/** Creates the pinning of one receiver. One address with a fault refuses all of an answer, because its order is the name server's choice. */
export function createPinning(lookUp: LookUp, faultOf: AddressCheck): Pinning {
  let fault = ''

  const lookup: LookupFunction = (host, { all }, answer) => {
    permitted(host).then(
      ([first, ...others]) => (all ? answer(null, [first, ...others]) : answer(null, first.address, first.family)),
      (error: Error) => answer(error, []),
    )
  }

  return {
    lookup,

    async addressOf(host) {
      const found = await permitted(host)
      return found.find(({ family }) => family === 4) ?? found[0]
    },

    async guard(host, send) {
      if (isIP(host) > 0) await permitted(host)
      return send().catch(thrown => {
        throw hasCode(thrown, REFUSED) ? new MailError('misconfigured', fault) : thrown
      })
    },
  }

  async function permitted(host: string): Promise<[Found, ...Found[]]> {
    const family = isIP(host)
    const [first, ...others] = family > 0 ? [{ address: host, family }] : await lookUp(host)
    if (first === undefined) throw Object.assign(new Error('the name has no address'), { code: 'ENOTFOUND' })
    for (const { address } of [first, ...others]) {
      const found = faultOf(address)
      if (found === undefined) continue
      fault = found
      throw Object.assign(new MailError('misconfigured', found), { code: REFUSED })
    }
    return [first, ...others]
  }
}

function hasCode(thrown: unknown, code: string): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === code
}
