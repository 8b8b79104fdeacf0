// The thread that converts pages; `reader.ts` starts it.
import { parentPort } from 'node:worker_threads'
import { convertHtml } from './convert.ts'
import { READY, type ThreadRequest } from './reader.ts'

parentPort?.on('message', ({ pages }: ThreadRequest) => {
  for (const page of pages) parentPort?.postMessage(convertHtml(page))
})
parentPort?.postMessage(READY)
