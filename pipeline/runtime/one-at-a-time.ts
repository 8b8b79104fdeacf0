/** Runs one piece of work at a time. */
export type OneAtATime = (work: () => Promise<void>) => Promise<void>

/**
 * Serialises work on suspects in this process: with two at once, a crash would leave both under suspicion. Rethrows errors of the work; the
 * next piece runs all the same.
 */
export function oneAtATime(): OneAtATime {
  let last = Promise.resolve()
  return work => {
    const turn = last.then(work)
    last = turn.catch(() => undefined)
    return turn
  }
}
