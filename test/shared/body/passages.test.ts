import t from 'tap'
import { findPassages } from '../../../shared/body/passages.ts'

const FACTOR = 0x9e3779b1
const COUNT = 30_000

t.test('words that are chosen to collide cost no more than others', async t => {
  const words = [0]
  for (let start = 1; words.length < 5 * COUNT; start++) {
    const four = [1, 2, 3, 4].map(step => start * 7 + step)
    // The fifth word brings every passage to the same place of the index.
    words.push(...four, four.reduce(mixed, 0) ^ Math.imul(unshifted(1 << 20), inverse(FACTOR)))
  }
  words.push(0)
  const lines = [{ text: '', depth: 0, wordAt: 1, wordEnd: words.length - 1, isUnspaced: false }]
  const before = process.cpuUsage()
  findPassages({ mails: [lines], words: Int32Array.from(words) })
  const ms = process.cpuUsage(before).user / 1000
  t.ok(ms < 700, `${ms.toFixed(0)} ms`)
})

// One step of the hash, and what undoes its parts.
function mixed(hash: number, word: number): number {
  const product = Math.imul(hash ^ word, FACTOR)
  return product ^ (product >>> 15)
}

function unshifted(hash: number): number {
  return hash ^ (hash >>> 15) ^ (hash >>> 30)
}

function inverse(odd: number): number {
  let found = odd
  for (let step = 0; step < 5; step++) found = Math.imul(found, 2 - Math.imul(odd, found))
  return found
}
