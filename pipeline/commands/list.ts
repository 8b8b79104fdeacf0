import type { Command } from 'commander'
import type { ContextOf } from '../base/command-context.ts'

/** A command by name. Its file is loaded only when it is asked for: a command starts with what it needs itself. */
interface ListedCommand {
  name: string
  summary: string
  load: () => Promise<{ define(command: Command, contextOf: ContextOf): void }>
}

const mailbox = () => import('./pause.ts')
const watching = () => import('./watch.ts')

/** Every command, in the order of the help. */
export const COMMANDS: readonly ListedCommand[] = [
  {
    name: 'up',
    summary: 'run every stage in this process, on simulated mail and an embedded Redis where nothing else is set',
    load: () => import('./up.ts'),
  },
  { name: 'stage', summary: 'run one stage as a process of its own', load: () => import('./stage.ts') },
  {
    name: 'gateway',
    summary: 'take in what says that mailboxes changed: pushes by HTTP, and the intake stream',
    load: () => import('./gateway.ts'),
  },
  {
    name: 'keeper',
    summary:
      'trim streams, remove dead consumers, heal runs that stand still, renew watches, poll what no push came of',
    load: () => import('./keeper.ts'),
  },
  { name: 'push', summary: 'say that a mailbox changed', load: () => import('./push.ts') },
  {
    name: 'sync',
    summary: 'say that a mailbox changed and follow its run to the end',
    load: () => import('./sync.ts'),
  },
  { name: 'status', summary: 'show what waits where', load: () => import('./status.ts') },
  { name: 'runs', summary: 'show the newest runs', load: () => import('./runs.ts') },
  {
    name: 'connect',
    summary: 'connect a mailbox: its owner allows it in the browser',
    load: () => import('./connect.ts'),
  },
  { name: 'mailboxes', summary: 'show the connected mailboxes', load: () => import('./mailboxes.ts') },
  { name: 'pause', summary: "let a mailbox's work wait", load: mailbox },
  { name: 'resume', summary: 'let a mailbox go on that is paused or waits for its account', load: mailbox },
  {
    name: 'remove',
    summary: 'take access back and delete all that is kept of a mailbox',
    load: () => import('./remove.ts'),
  },
  { name: 'rekey', summary: 'seal all accounts with the first key of MAILBOXES_KEY', load: () => import('./rekey.ts') },
  { name: 'watch', summary: 'have the provider notify of changes; the keeper renews it', load: watching },
  { name: 'unwatch', summary: 'have it notify no more', load: watching },
  { name: 'dead', summary: 'dead letters: inputs that were given up', load: () => import('./dead.ts') },
  {
    name: 'explain',
    summary: "show a message's way through the stages, hop by hop",
    load: () => import('./explain.ts'),
  },
  {
    name: 'tail',
    summary: 'print what is written to a stream, as it is written, until Ctrl-C',
    load: () => import('./tail.ts'),
  },
  {
    name: 'replay',
    summary: 'do again what a stage did with recorded inputs, with nothing changed, and show what comes out otherwise',
    load: () => import('./replay.ts'),
  },
  { name: 'sim', summary: 'run the simulators of Gmail and Microsoft Graph alone', load: () => import('./sim.ts') },
]
