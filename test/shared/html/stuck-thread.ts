// A thread like the real one, that some pages stop: "forever" and "memory".
import { parentPort } from 'node:worker_threads'
import { READY, type ThreadRequest } from '../../../shared/html/reader.ts'

parentPort?.on('message', ({ pages }: ThreadRequest) => {
  for (const page of pages) {
    const eaten: number[][] = []
    while (page === 'forever' || page === 'memory') if (page === 'memory') eaten.push(Array(100_000).fill(eaten.length))
    parentPort?.postMessage({ text: `text of ${page}`, hidden: 0 })
  }
})
parentPort?.postMessage(READY)
