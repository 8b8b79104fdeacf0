// Google reports most account-wide refusals only in text, without a reason code; domainPolicy is the exception.
const ACCOUNT_REFUSALS: readonly { words: readonly RegExp[]; remedy: string }[] = [
  {
    words: [/mail service (is )?not enabled/i],
    remedy: 'Gmail is off for this account; ask an administrator to turn it on, or remove the mailbox here',
  },
  {
    words: [/delegation denied/i],
    remedy: 'this account may not read the mailbox; have it delegated, or connect the mailbox itself',
  },
  {
    words: [/\b(account|user)\b/i, /\b(suspended|disabled|deleted)\b/i],
    remedy: 'the account is suspended or deleted; ask its administrator to restore it',
  },
  {
    words: [/^domainPolicy$/i],
    remedy: 'the domain does not let this app read mail; ask its administrator to allow it',
  },
]

/** Returns the remedy for an answer that refuses the account as a whole; `undefined` for any other, and for a 401. */
export function accountRefusal(status: number, texts: readonly string[]): { remedy: string } | undefined {
  if (status === 401) return undefined
  return ACCOUNT_REFUSALS.find(({ words }) => texts.some(text => containsInOrder(text, words)))
}

/** Whether a text contains all these words in this order. */
export function containsInOrder(text: string, words: readonly RegExp[]): boolean {
  let rest = text
  return words.every(word => {
    const { 0: found = '', index = -1 } = word.exec(rest) ?? {}
    rest = rest.slice(index + found.length)
    return index >= 0
  })
}
