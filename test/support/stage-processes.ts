import type { Test } from 'tap'
import type { GmailSimulator } from '../../sim/gmail/simulator.ts'
import { startGmail } from '../../sim/gmail.ts'
import { testMailbox } from './mail.ts'
import { startRedis, type TestRedis } from './redis.ts'

interface SetUp {
  /** The environment of processes that use them. */
  environment: Record<string, string>
  redis: TestRedis
  sim: GmailSimulator
}

interface MailOptions {
  profile: 'live' | 'instant'
  messages: number
  threads: number
  addresses?: readonly string[]
}

/** A Redis and a simulated Gmail with mailboxes of the same mail, Ana's by default, for processes of a test; both end with it. */
export async function setUpForProcesses(
  t: Test,
  { profile, messages, threads, addresses = ['ana@example.com'] }: MailOptions,
): Promise<SetUp> {
  const redis = await startRedis()
  const mailboxes = addresses.map(address => testMailbox(address, messages, threads))
  const sim = await startGmail({ profile, mailboxes })
  t.teardown(async () => {
    await sim.close()
    await redis.stop()
  })
  const environment = {
    REDIS_URL: redis.url,
    SIM_URL: sim.url,
    INITIAL_SYNC: 'all',
    LEASE_MS: '1500',
    LOG_LEVEL: 'info',
  }
  return { environment, redis, sim }
}
