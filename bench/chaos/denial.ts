import { addressOf, type MailboxId, providerOf } from '../../shared/mailbox.ts'
import type { Simulators } from '../../sim/both.ts'
import { composeMail } from '../../sim/compose.ts'
import type { Denial } from '../../sim/denials.ts'

/** A message or folder that a provider refuses. */
export interface InjectedDenial {
  /** The description for people. */
  what: string
  /** Ends the fault. */
  end(): void
}

/** Makes a provider refuse one item of a mailbox: a new mail at Gmail, a folder at Outlook. A number below 1 selects the item and the error. */
export function injectDenial(sims: Simulators, mailbox: MailboxId, random: number): InjectedDenial {
  const address = addressOf(mailbox)
  const pick = <T>(items: readonly [T, ...T[]]): T => items[Math.floor(((random * 997) % 1) * items.length)] ?? items[0]
  if (providerOf(mailbox) === 'outlook') {
    const name = pick(['inbox', 'archive', 'sentitems'])
    const refused = { path: sims.graph.mailbox(address).folderId(name), status: pick([500, 503, 403, 400]) }
    return deny(sims.graph.faults, { ...refused, reason: 'ErrorInternalServerError', addresses: [address] })
  }
  const raw = composeMail({
    from: 'Eve <eve@example.net>',
    to: [address],
    subject: 'Unreadable',
    atMs: Date.now(),
    id: `<chaos-sick-${random}@example.net>`,
    text: 'Nobody can read this for now.',
  })
  const { id } = sims.gmail.deliver(address, raw)
  const refused = { path: id, status: pick([500, 503]) }
  return deny(sims.gmail.faults, { ...refused, reason: 'backendError', addresses: [address] })
}

interface Denying {
  read(): { denials: readonly Denial[] }
  set(settings: { denials: readonly Denial[] }): void
}

function deny(faults: Denying, denial: Denial & { addresses: readonly string[] }): InjectedDenial {
  // All other fault settings stay unchanged.
  const setDenials = (denials: readonly Denial[]) => faults.set({ ...faults.read(), denials })
  setDenials([...faults.read().denials, denial])
  return {
    what: `${denial.path} of ${denial.addresses} answers ${denial.status}`,
    end: () => setDenials(faults.read().denials.filter(one => one !== denial)),
  }
}
