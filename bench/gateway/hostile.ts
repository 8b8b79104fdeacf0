// Hostile clients in their own process: `node hostile.js URL CONNECTIONS MS`. It ends automatically and prints the answers it got.
import { setPriority } from 'node:os'
import { terminal } from '../terminal.ts'
import { attack } from './attack.ts'

const MAX_MS = 120_000
const LOWER_PRIORITY = 10

const [url = '', connections = '50', ms = '0'] = process.argv.slice(2)
// They simulate remote machines, so their CPU use must not slow the gateway.
setPriority(LOWER_PRIORITY)
const signal = AbortSignal.timeout(Math.min(Number(ms), MAX_MS))
const answers = await attack({ url, connections: Number(connections), signal })
terminal.out(JSON.stringify(answers))
await terminal.isOutputLost()
process.exit()
