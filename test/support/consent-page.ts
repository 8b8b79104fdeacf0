/** Finds the page on which an owner grants access in the output of `mailsluice connect`. */
export function consentPageIn(output: string): string | undefined {
  return /http:\S+\/oauth2\/v2(?:\/auth|\.0\/authorize)\?\S+/.exec(output)?.[0]
}
