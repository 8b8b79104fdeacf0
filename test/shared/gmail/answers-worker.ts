import { parentPort, workerData } from 'node:worker_threads'
import { tryAnswers } from './answers.ts'

// A thread of its own: the test runner watches every promise of the main one, of which there are millions.
const { kind, cases, seed } = workerData
try {
  await tryAnswers(kind, { cases, seed })
  parentPort?.postMessage('ok')
} catch (error) {
  parentPort?.postMessage(error instanceof Error ? error.message : String(error))
}
