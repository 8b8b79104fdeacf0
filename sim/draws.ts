import { randomFrom } from './random.ts'

/** A fault for a while: `rate` is its probability from 0 to 1 until the simulator's clock says `untilMs` (ms since 1970). */
export interface Burst<Kind extends string> {
  kind: Kind
  rate: number
  untilMs: number
}

/** What goes wrong from now on: the probability of each kind, from 0 to 1, and bursts on top of it; the higher rate counts. */
export interface DrawSettings<Kind extends string> {
  rates?: Partial<Record<Kind, number>> | undefined
  bursts?: readonly Burst<Kind>[] | undefined
  /** Starts the draws anew: the same seed gives the same draws in the same order. */
  seed?: number | undefined
}

/** Draws of faults; without settings none strikes. */
export interface Draws<Kind extends string> {
  /** Replaces all settings. */
  set(settings: DrawSettings<Kind>): void
  /** The settings in force, without bursts that are over. */
  read(): { rates: Partial<Record<Kind, number>>; bursts: readonly Burst<Kind>[] }
  /** How often each kind has struck since the simulator started. */
  counts(): Record<Kind, number>
  /** The first of these kinds that strikes now, if one does. */
  draw<Asked extends Kind>(kinds: readonly Asked[]): Asked | undefined
  /** The next number, from 0 up to 1, of the generator behind the draws. */
  random(): number
}

/** Draws of these kinds, none of which strikes yet; `now` tells when a burst is over. */
export function createDraws<Kind extends string>(kinds: readonly Kind[], now: () => number): Draws<Kind> {
  const struck = Object.fromEntries(kinds.map(one => [one, 0])) as Record<Kind, number>
  let random = randomFrom(1)
  let rates: Partial<Record<Kind, number>> = {}
  let bursts: readonly Burst<Kind>[] = []

  const active = () => bursts.filter(({ untilMs }) => untilMs > now())
  const rateOf = (one: Kind) => Math.max(rates[one] ?? 0, ...active().map(b => (b.kind === one ? b.rate : 0)))

  return {
    set(settings) {
      rates = settings.rates ?? {}
      bursts = settings.bursts ?? []
      if (settings.seed !== undefined) random = randomFrom(settings.seed)
    },
    read: () => ({ rates, bursts: active() }),
    counts: () => ({ ...struck }),
    draw(asked) {
      // A kind that cannot strike draws nothing, so that setting another does not shift its draws.
      const hit = asked.find(one => rateOf(one) > 0 && random() < rateOf(one))
      if (hit) struck[hit] += 1
      return hit
    },
    random: () => random(),
  }
}

/** A line such as `throttled=0.1,seed=3` as settings: the kinds under `rates`, the `others` beside them; throws an Error for a word that is neither. */
export function parseLine(
  line: string,
  { kinds, others }: { kinds: readonly string[]; others: readonly string[] },
): Record<string, unknown> {
  const rates = new Map<string, number>()
  const settings = new Map<string, number>()
  for (const item of line.split(',')) {
    const [, name = '', number = ''] = /^\s*([\w-]+)\s*=\s*([\d.]+)\s*$/.exec(item) ?? []
    if (name === '') throw new Error(`cannot read "${item}": write kind=rate, such as throttled=0.1`)
    if (others.includes(name)) settings.set(name, Number(number))
    else rates.set(name, Number(number))
  }
  const unknown = [...rates.keys()].find(name => !kinds.includes(name))
  if (unknown !== undefined) throw new Error(`there is no fault ${unknown}; there are ${kinds.join(', ')}`)
  return { rates: Object.fromEntries(rates), ...Object.fromEntries(settings) }
}
