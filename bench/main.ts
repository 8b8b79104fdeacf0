import { parseArgs } from 'node:util'
import { type Comparison, compareSync } from './sync.ts'

const PROFILES = ['live', 'seed'] as const

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false }, profile: { type: 'string', multiple: true } },
})
const profiles = PROFILES.filter(name => values.profile === undefined || values.profile.includes(name))
if (positionals[0] !== 'sync' || profiles.length === 0) {
  process.stderr.write('Use: npm run bench -- sync [--json] [--profile live] [--profile seed]\n')
  process.exit(2)
}
const results: Record<string, Comparison> = {}
for (const profile of profiles) {
  const result = await compareSync(profile)
  results[profile] = result
  const { n1Calls, n1Seconds, oursCalls, oursSeconds, ratio, criticalPathSeconds } = result
  process.stdout.write(
    `50 messages, profile ${profile}:  one by one ${n1Calls} calls, ${n1Seconds.toFixed(2)} s;  mailsluice ${oursCalls} calls, ${oursSeconds.toFixed(2)} s ` +
      `(provider alone ${criticalPathSeconds.toFixed(2)} s);  ${ratio.toFixed(1)} times as fast\n`,
  )
}
if (values.json) process.stdout.write(`${JSON.stringify(results)}\n`)
process.exit()
