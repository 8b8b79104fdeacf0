import { parentPort, workerData } from 'node:worker_threads'
import { tryAnswers } from './answers.ts'

// A thread of its own: the test runner watches every promise of the main one, of which there are millions.
const { kind, ...options } = workerData
parentPort?.postMessage(await tryAnswers(kind, options))
