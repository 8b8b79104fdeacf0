/** Where the access tokens of a mailbox come from. */
export interface AccessTokens {
  /** One that is good for a while yet; `doing` names what for. Throws `unauthorized` when the mailbox must be connected again. */
  get(doing: string, signal: AbortSignal): Promise<string>
  /** The provider answered 401 to this token. Whether another may do better; where it does not, the grant itself is at fault. */
  refused(token: string): Promise<boolean>
}

/** When an access token was given and when it ends, in ms since 1970. */
interface Life {
  givenAt: number
  endsAt: number
}

const AHEAD_MS = 60_000
const AHEAD_SHARE = 4
const YOUNG_MS = 60_000

/** Whether a token has to be replaced: a minute before it ends, or in the last quarter of a short life. */
export function isEnding({ givenAt, endsAt }: Life, now: number): boolean {
  return now >= endsAt - Math.min(AHEAD_MS, (endsAt - givenAt) / AHEAD_SHARE)
}

/** Whether a token was given so recently that, refused, another would be refused as well. */
export function isYoung({ givenAt }: Life, now: number): boolean {
  return now - givenAt < YOUNG_MS
}
