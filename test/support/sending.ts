import type { AppContext } from '../../pipeline/base/app.ts'
import { createLog } from '../../pipeline/base/log.ts'
import { createSending, type OpenSending } from '../../pipeline/runtime/sending.ts'
import type { SinkGate } from '../../pipeline/runtime/sink-gate.ts'
import type { Sent, Sink } from '../../shared/ai/sink.ts'
import { MailError } from '../../shared/error.ts'
import type { Task } from '../../shared/task/schema.ts'
import { hidden } from './surroundings.ts'

/** Settings under which tasks go to a sink; the sink itself is the test's. */
export const SENDS = {
  AI_SINK: 'webhook',
  WEBHOOK_URL: 'https://example.com/hook',
  WEBHOOK_SECRET: `whsec_${'A'.repeat(32)}`,
  MESSAGE_BODY: 'snippet',
}

const ANSWER: Sent = {
  outcome: 'answered',
  answer: { model: 'm', promptVersion: '1', finish: 'answered', output: { summary: 'short' } },
}

/** A sink that answers every task, or fails as it is set to. */
export interface FakeSink extends Sink {
  sent: Task[]
  calls: number
  fault: MailError | undefined
  /** The thread for which it always fails. */
  poison: string | undefined
}

/** A gate that is closed while `waiting` is set. */
export interface FakeGate extends SinkGate {
  waiting: { untilMs: number; why: string } | undefined
  paused: { isOutage: boolean | undefined }[]
}

/** Creates a sink and its gate, and the function that opens both for a pipeline. */
export function fakeSending(): { sink: FakeSink; gate: FakeGate; sending: (app: AppContext) => OpenSending } {
  const sink: FakeSink = {
    sent: [],
    calls: 0,
    fault: undefined,
    poison: undefined,
    async send(task) {
      sink.calls += 1
      if (sink.fault) throw sink.fault
      if (task.thread === sink.poison) throw new MailError('unavailable', 'the receiver answers 500')
      sink.sent.push(task)
      return ANSWER
    },
  }
  const gate: FakeGate = {
    waiting: undefined,
    paused: [],
    state: {
      async waits() {
        return gate.waiting && { ...gate.waiting, untilMs: Date.now() + 300 }
      },
      async pause(why, { isOutage } = {}) {
        gate.paused.push({ isOutage })
        gate.waiting = { untilMs: 0, why }
      },
      async succeeded() {},
    },
    approvals: { waits: async () => undefined },
  }
  const spending = { reserve: () => Promise.reject(new Error('nothing is spent')) }
  const sending = (app: AppContext) =>
    createSending(app, { sink, spending, gate, log: createLog(app.config, 'test', hidden) })
  return { sink, gate, sending }
}
