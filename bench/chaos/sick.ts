import { addressOf, type MailboxId, providerOf } from '../../shared/mailbox.ts'
import type { Simulators } from '../../sim/both.ts'
import { composeMail } from '../../sim/compose.ts'
import type { Denial } from '../../sim/denials.ts'

/** Something that a provider refuses. */
export interface Sick {
  /** For people. */
  what: string
  /** It is well again. */
  end(): void
}

/** Has a provider refuse one thing of a mailbox: a new mail at Gmail, a folder at Outlook. What, and how, follows from a number below 1. */
export function fallSick(sims: Simulators, mailbox: MailboxId, random: number): Sick {
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
    subject: 'Feeling sick',
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

function deny(faults: Denying, denial: Denial & { addresses: readonly string[] }): Sick {
  // Of what else is set nothing changes.
  const setDenials = (denials: readonly Denial[]) => faults.set({ ...faults.read(), denials })
  setDenials([...faults.read().denials, denial])
  return {
    what: `${denial.path} of ${denial.addresses} answers ${denial.status}`,
    end: () => setDenials(faults.read().denials.filter(one => one !== denial)),
  }
}
