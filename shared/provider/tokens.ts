/** Where the access tokens of a mailbox come from. */
export interface AccessTokens {
  /** One that is good for a while yet; `doing` names what for. Throws `unauthorized` when the mailbox must be connected again. */
  get(doing: string, signal: AbortSignal): Promise<string>
  /** The provider answered 401 to this token. Whether another may do better; where it does not, the grant itself is at fault. */
  refused(token: string): Promise<boolean>
}

/** An access token, when it was given and when it ends, in ms since 1970. */
export interface AccessToken {
  token: string
  givenAt: number
  endsAt: number
}

/** A question to a mailbox's owner: the page to open, and what proves later that the answer is to this question. */
export interface Consent {
  url: string
  verifier: string
}

const AHEAD_MS = 60_000
const AHEAD_SHARE = 4
const YOUNG_MS = 60_000

/** Whether a token has to be replaced: a minute before it ends, or in the last quarter of a short life. */
export function isEnding({ givenAt, endsAt }: AccessToken, now: number): boolean {
  return now >= endsAt - Math.min(AHEAD_MS, (endsAt - givenAt) / AHEAD_SHARE)
}

/** Whether a token was given so recently that, refused, another would be refused as well. */
export function isYoung({ givenAt }: AccessToken, now: number): boolean {
  return now - givenAt < YOUNG_MS
}

/** Access tokens for this process alone: asked for when one is needed first, once however many calls wait for it. */
export function heldTokens(ask: (doing: string) => Promise<AccessToken>, now: () => number = Date.now): AccessTokens {
  let held: AccessToken | undefined
  let asking: Promise<AccessToken> | undefined
  return {
    async get(doing) {
      if (held && !isEnding(held, now())) return held.token
      asking ??= ask(doing).finally(() => {
        asking = undefined
      })
      held = await asking
      return held.token
    },

    async refused(token) {
      if (held?.token !== token) return true
      const old = held
      held = undefined
      return !isYoung(old, now())
    },
  }
}
