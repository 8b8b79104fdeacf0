import type { Command } from 'commander'
import type { ContextOf } from '../base/command-context.ts'

/** A command by name. Its file is loaded on demand, so that a command loads only its own dependencies. */
interface ListedCommand {
  name: string
  summary: string
  load: () => Promise<{ define(command: Command, contextOf: ContextOf): void }>
}

const mailbox = () => import('./pause.ts')
const watching = () => import('./watch.ts')

/** All commands, in the order of the help. */
export const COMMANDS: readonly ListedCommand[] = [
  {
    name: 'up',
    summary: 'run every stage in this process, on simulated mail and an embedded Redis by default',
    load: () => import('./up.ts'),
  },
  { name: 'stage', summary: 'run one stage as its own process', load: () => import('./stage.ts') },
  {
    name: 'gateway',
    summary: 'receive change notifications: pushes over HTTP and entries of the intake stream',
    load: () => import('./gateway.ts'),
  },
  {
    name: 'keeper',
    summary:
      'trim streams, remove dead consumers, heal stalled runs, renew watches, poll mailboxes that received no push',
    load: () => import('./keeper.ts'),
  },
  { name: 'push', summary: 'request a sync of a mailbox', load: () => import('./push.ts') },
  {
    name: 'sync',
    summary: 'request a sync of a mailbox and follow its run to the end',
    load: () => import('./sync.ts'),
  },
  {
    name: 'status',
    summary: 'show the backlog of each stage and the state of each mailbox',
    load: () => import('./status.ts'),
  },
  { name: 'runs', summary: 'show the newest runs', load: () => import('./runs.ts') },
  {
    name: 'trial',
    summary: 'try a prompt or a model on recent threads; dispatches nothing',
    load: () => import('./trial.ts'),
  },
  { name: 'result', summary: 'show the latest answer about a thread', load: () => import('./result.ts') },
  {
    name: 'connect',
    summary: 'connect a mailbox: its owner grants access in the browser',
    load: () => import('./connect.ts'),
  },
  { name: 'mailboxes', summary: 'show the connected mailboxes', load: () => import('./mailboxes.ts') },
  { name: 'pause', summary: 'pause a mailbox; its work waits', load: mailbox },
  { name: 'resume', summary: 'resume a paused or parked mailbox', load: mailbox },
  {
    name: 'remove',
    summary: 'revoke access and delete all data of a mailbox',
    load: () => import('./remove.ts'),
  },
  {
    name: 'rekey',
    summary: 're-seal all accounts with the first key of MAILBOXES_KEY',
    load: () => import('./rekey.ts'),
  },
  { name: 'watch', summary: 'subscribe to change notifications; the keeper renews the watch', load: watching },
  { name: 'unwatch', summary: 'end the change notifications of a mailbox', load: watching },
  { name: 'dead', summary: 'list, show, retry or delete dead letters', load: () => import('./dead.ts') },
  {
    name: 'estimate',
    summary: 'show what the threads may cost, without a model call',
    load: () => import('./estimate.ts'),
  },
  {
    name: 'ai',
    summary: 'show the state of the sink and what was spent; approve costs; resume a paused sink',
    load: () => import('./ai.ts'),
  },
  {
    name: 'explain',
    summary: 'trace a message through the stages, hop by hop',
    load: () => import('./explain.ts'),
  },
  {
    name: 'tail',
    summary: 'print new entries of a stream until Ctrl-C',
    load: () => import('./tail.ts'),
  },
  {
    name: 'replay',
    summary: 're-run a stage on recorded inputs without side effects, and diff the output',
    load: () => import('./replay.ts'),
  },
  { name: 'sim', summary: 'run only the simulators of Gmail and Microsoft Graph', load: () => import('./sim.ts') },
]
