// Hostile clients, as a process of its own: `node hostile.js URL CONNECTIONS MS`. It ends by itself, and prints how it was answered.
import { setPriority } from 'node:os'
import { isOutputLost, out } from '../../pipeline/base/terminal.ts'
import { attack } from './attack.ts'

const MOST_MS = 120_000
const LOWER_PRIORITY = 10

const [url = '', connections = '50', ms = '0'] = process.argv.slice(2)
// They stand for machines elsewhere: what they need of this one's processor is not the gateway's doing.
setPriority(LOWER_PRIORITY)
const signal = AbortSignal.timeout(Math.min(Number(ms), MOST_MS))
const answers = await attack({ url, connections: Number(connections), signal })
out(JSON.stringify(answers))
await isOutputLost()
process.exit()
