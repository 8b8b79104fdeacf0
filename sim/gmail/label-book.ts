import { SYSTEM_LABELS, systemLabel } from '../labels.ts'
import { conflicting, notFound, refused } from './error.ts'

/** A label of a mailbox, with the fields of Google's discovery document. */
export interface Label {
  id: string
  name: string
  type: 'system' | 'user'
  messageListVisibility?: string | undefined
  labelListVisibility?: string | undefined
  color?: object | undefined
}

/** The changeable fields of a user label. */
export type LabelSettings = Partial<Pick<Label, 'name' | 'messageListVisibility' | 'labelListVisibility' | 'color'>>

/** The labels of a mailbox. An id is never reused. */
export interface LabelBook {
  /** Returns system labels first, then the others in order of creation. */
  all(): readonly Label[]
  find(id: string): Label | undefined
  /** Returns the id of a label by id or name; creates it if there is none. */
  idOf(label: string): string
  /** Returns the label in a search: Gmail accepts names in any case, with dashes for spaces and slashes. */
  named(name: string): Label | undefined
  /** Throws a 409 if the name is taken, a 400 if it is empty or a system label's. */
  create(settings: LabelSettings): Label
  /** Changes the given fields; throws a 400 for a system label, a 404 if there is none. */
  update(id: string, settings: LabelSettings): Label
  /** Throws a 400 for a system label, a 404 if there is none. */
  remove(id: string): void
}

/** Creates the labels of every mailbox. */
export function openLabelBook(): LabelBook {
  const labels = new Map<string, Label>(SYSTEM_LABELS.map(id => [id, { id, name: id, type: 'system' }]))
  const idByName = new Map<string, string>()
  let made = 0

  const add = (name: string, settings: LabelSettings): Label => {
    made += 1
    const label: Label = { ...settings, id: `Label_${made}`, name, type: 'user' }
    labels.set(label.id, label)
    idByName.set(name, label.id)
    return label
  }

  const checkName = (name: string | undefined, own?: string) => {
    const trimmed = name?.trim() ?? ''
    if (trimmed === '' || systemLabel(trimmed) !== undefined) throw refused('Invalid label name')
    for (const { id, name: taken } of labels.values())
      if (id !== own && taken.toLowerCase() === trimmed.toLowerCase())
        throw conflicting('Label name exists or conflicts')
    return trimmed
  }

  const ownLabel = (id: string, what: string) => {
    const label = labels.get(id)
    if (!label) throw notFound()
    if (label.type === 'system') throw refused(`Invalid ${what} request`)
    return label
  }

  return {
    all: () => [...labels.values()],
    find: id => labels.get(id),
    idOf(label) {
      return systemLabel(label) ?? labels.get(label)?.id ?? idByName.get(label) ?? add(label, {}).id
    },
    named(name) {
      const plain = plainName(name)
      return [...labels.values()].find(({ id, name: own }) => id === name || plainName(own) === plain)
    },
    create: ({ name, ...settings }) =>
      add(checkName(name), { labelListVisibility: 'labelShow', messageListVisibility: 'show', ...settings }),
    update(id, settings) {
      const label = ownLabel(id, 'update')
      const name = settings.name === undefined ? label.name : checkName(settings.name, id)
      idByName.delete(label.name)
      idByName.set(name, id)
      const updated = { ...label, ...settings, name }
      labels.set(id, updated)
      return updated
    },
    remove(id) {
      idByName.delete(ownLabel(id, 'delete').name)
      labels.delete(id)
    },
  }
}

function plainName(name: string): string {
  return name.toLowerCase().replace(/[ /]/g, '-')
}
