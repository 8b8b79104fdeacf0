#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { MailError } from '../shared/error.ts'
import { FAILED } from './base/command-context.ts'
import { openTerminal, printableLine } from './base/terminal.ts'
import { COMMANDS } from './commands/list.ts'

const WRONG_USE = 2
// The process has one output, so it is opened here and passed to whoever writes.
const terminal = openTerminal()

try {
  await (await program(process.argv.slice(2))).parseAsync()
} catch (error) {
  process.exitCode = reportError(error)
}
if (await terminal.isOutputLost()) process.exitCode ||= FAILED
// A library may keep handles open; a finished command exits anyway.
process.exit()

async function program(words: readonly string[]): Promise<Command> {
  const mailsluice = new Command('mailsluice')
    .description(
      'Event-driven mail sync: mailbox changes become conversations worth analysing, with few provider calls and nothing lost.',
    )
    .exitOverride()
    .configureOutput({
      writeOut: text => terminal.out(text.trimEnd()),
      writeErr: text => terminal.err(text.trimEnd()),
      outputError: (text, write) => write(`mailsluice: ${text.replace(/^error: /, '')}`),
    })
    .showSuggestionAfterError()
    .helpCommand(false)
  const named = words.find(word => !word.startsWith('-'))
  for (const { name, summary, load } of COMMANDS) {
    const command = mailsluice.command(name).description(summary)
    if (name !== named) continue
    const [{ define }, { contextOf }] = await Promise.all([load(), import('./commands/context.ts')])
    define(command, options => contextOf(terminal, options))
  }
  return mailsluice
}

/** Prints an error in one line and returns the exit code. */
function reportError(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : WRONG_USE
  terminal.err(`mailsluice: ${printableLine(error instanceof Error ? error.message : String(error))}`)
  return error instanceof MailError && error.kind === 'misconfigured' ? WRONG_USE : FAILED
}
