// Preload this module to skew the clock of a program: `node --import file:///…/skew.js?ms=3600000 program.js`.
const skewMs = Number(new URL(import.meta.url).searchParams.get('ms') ?? 0)

globalThis.Date = new Proxy(Date, {
  construct: (real, words: [], target) =>
    Reflect.construct(real, words.length > 0 ? words : [real.now() + skewMs], target),
  get: (real, name, receiver) => (name === 'now' ? () => real.now() + skewMs : Reflect.get(real, name, receiver)),
})
