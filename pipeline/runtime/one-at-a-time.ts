/** Lets one piece of work at a time through. */
export type OneAtATime = (work: () => Promise<void>) => Promise<void>

/**
 * One turn for all that a process tries alone: were two tried at once, a process that dies would leave both under suspicion. What the work
 * throws is thrown here; the next has its turn all the same.
 */
export function oneAtATime(): OneAtATime {
  let last = Promise.resolve()
  return work => {
    const turn = last.then(work)
    last = turn.catch(() => undefined)
    return turn
  }
}
