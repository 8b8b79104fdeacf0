import { badRequest } from './error.ts'

/** The preferences of a request's Prefer header; `applied` is the value of Preference-Applied. */
export interface Preferences {
  immutableIds: boolean
  pageSize: number | undefined
  textBody: boolean
  applied: readonly string[]
}

/**
 * Parses a Prefer header, one or several joined by commas; ignores unknown ones, as Graph does. Throws a 400
 * for an invalid page size.
 */
export function readPreferences(header: string | undefined): Preferences {
  const wanted = (header ?? '').split(/[,;]/).map(one => one.trim())
  const wish = (name: string) => {
    const found = wanted.find(one => one.toLowerCase().startsWith(`${name}=`))
    return found?.slice(name.length + 1).replace(/^"(.*)"$/, '$1')
  }
  const size = wish('odata.maxpagesize')
  if (size !== undefined && !/^[1-9]\d{0,5}$/.test(size))
    throw badRequest(`The preference odata.maxpagesize=${size} is not valid: it must be a number above 0.`)
  const immutableIds = wish('idtype')?.toLowerCase() === 'immutableid'
  const textBody = wish('outlook.body-content-type')?.toLowerCase() === 'text'
  return {
    immutableIds,
    pageSize: size === undefined ? undefined : Number(size),
    textBody,
    applied: [
      ...(immutableIds ? ['IdType="ImmutableId"'] : []),
      ...(size === undefined ? [] : [`odata.maxpagesize=${size}`]),
      ...(textBody ? ['outlook.body-content-type="text"'] : []),
    ],
  }
}
