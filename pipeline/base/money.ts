/** How many millionths a US dollar has. */
export const MICRO_USD = 1_000_000

/** Writes millionths of a US dollar for people, such as `$0.0350`. */
export function dollars(microUsd: number, digits = 4): string {
  return `$${(microUsd / MICRO_USD).toFixed(digits)}`
}
