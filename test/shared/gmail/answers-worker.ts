import { parentPort, workerData } from 'node:worker_threads'
import { tryAnswers } from './answers.ts'

// Runs in a worker thread: the test runner watches every promise of the main thread, and there are millions.
const { kind, ...options } = workerData
parentPort?.postMessage(await tryAnswers(kind, options))
