/** An HTTP answer of a provider, or one part of a batch answer: the body as JSON where it is JSON, else as text. */
export interface Answer {
  status: number
  body: unknown
  /** The Retry-After header as it came. */
  retryAfter?: string | undefined
}
