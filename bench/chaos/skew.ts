// Loaded before a program whose clock is to be wrong: `node --import skew.js program.js`, with CLOCK_SKEW_MS in its environment.
const skewMs = Number(process.env.CLOCK_SKEW_MS ?? 0)

globalThis.Date = new Proxy(Date, {
  construct: (real, words: [], target) =>
    Reflect.construct(real, words.length > 0 ? words : [real.now() + skewMs], target),
  get: (real, name, receiver) => (name === 'now' ? () => real.now() + skewMs : Reflect.get(real, name, receiver)),
})
