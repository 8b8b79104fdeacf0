import { randomFrom } from './random.ts'

/**
 * A temporary fault: `rate` is its probability from 0 to 1 until the simulator's clock reaches `untilMs` (ms
 * since 1970).
 */
export interface Burst<Kind extends string> {
  kind: Kind
  rate: number
  untilMs: number
}

/**
 * The fault settings: the probability of each kind, from 0 to 1, and bursts on top of it. The higher rate
 * counts.
 */
export interface DrawSettings<Kind extends string> {
  rates?: Partial<Record<Kind, number>> | undefined
  bursts?: readonly Burst<Kind>[] | undefined
  /** Restarts the generator: the same seed gives the same draws in the same order. */
  seed?: number | undefined
}

/** A generator of faults; without settings none strikes. */
export interface Draws<Kind extends string> {
  /** Replaces all settings. */
  set(settings: DrawSettings<Kind>): void
  /** Returns the settings in force, without expired bursts. */
  read(): { rates: Partial<Record<Kind, number>>; bursts: readonly Burst<Kind>[] }
  /** Returns how often each kind has struck since the simulator started. */
  counts(): Record<Kind, number>
  /** Returns the first of these kinds that strikes now, if any. */
  draw<Asked extends Kind>(kinds: readonly Asked[]): Asked | undefined
  /** Returns the next number in [0, 1) of the generator. */
  random(): number
}

/** Creates draws of these kinds at rate 0; `now` decides when a burst expires. */
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
      // A kind at rate 0 draws no number, so setting another kind does not shift its draws.
      const hit = asked.find(one => rateOf(one) > 0 && random() < rateOf(one))
      if (hit) struck[hit] += 1
      return hit
    },
    random: () => random(),
  }
}

/**
 * Parses a line such as `throttled=0.1,seed=3`: kinds go under `rates`, and `others` beside them. Throws an
 * Error for any other word.
 */
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
  if (unknown !== undefined) throw new Error(`there is no fault ${unknown}; choose from ${kinds.join(', ')}`)
  return { rates: Object.fromEntries(rates), ...Object.fromEntries(settings) }
}
