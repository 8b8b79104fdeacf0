import type { SimMailbox } from './mailbox.ts'

/** Opens each mailbox with `open`, by its address in lower case; throws if two have the same address. */
export function openAccounts<Account>(
  mailboxes: readonly SimMailbox[],
  open: (mailbox: SimMailbox) => Account,
): Map<string, Account> {
  const accounts = new Map<string, Account>()
  for (const mailbox of mailboxes) {
    const address = mailbox.address.toLowerCase()
    if (accounts.has(address))
      throw new Error(`two mailboxes are called ${address}; rename one of the files they come from`)
    accounts.set(address, open(mailbox))
  }
  return accounts
}
