const text = { type: 'string' }
const optionalText = { type: ['string', 'null'] }
const citation = {
  message: { type: 'string', description: 'The id of the message that says it, such as m3.' },
  quote: { type: 'string', description: 'The words of that message that say it, copied exactly.' },
}

/** The answer that the built-in instructions ask for, as a JSON schema in the subset that compatible hosts share (`schema-faults.ts`). */
export const PROJECT_SCHEMA = fields({
  summary: { ...text, description: 'What the thread is about and where it stands, in at most five sentences.' },
  decisions: list({ decision: text, ...citation }),
  actionItems: list({
    action: { ...text, description: 'What has to be done.' },
    owner: { ...optionalText, description: 'Who has to do it, as the mail names them; null if nobody is named.' },
    dueDate: {
      ...optionalText,
      description: 'YYYY-MM-DD or YYYY-MM-DDThh:mm in the time zone of timeZone; null if the mail sets no date.',
    },
    timeZone: { ...optionalText, description: 'IANA name of the time zone of dueDate, such as Europe/Berlin.' },
    ...citation,
  }),
  risks: list({ risk: text, ...citation }),
  openQuestions: list({ question: text, ...citation }),
  urgency: { type: 'string', enum: ['low', 'normal', 'high', 'critical'] },
  suggestedReply: { ...optionalText, description: "A reply in the owner's name; null if none is needed." },
})

/** What to do with a thread, where the user has no instructions of their own. It stands below the fixed rules of `prompt.ts`. */
export const PROJECT_INSTRUCTIONS = `You assist a project manager, the owner of the mailbox.
Write for the owner, in the language of the newest message.
- summary: what the thread is about, what changed last, and what the owner should know.
- decisions: what was decided, not what was proposed.
- actionItems: each task that somebody took on or was given. Resolve dates such as "Friday" from the date of the message that says so, in the time zone of its sender if the mail shows it, else in the timeZone of the task.
- risks: what may delay or harm the project.
- openQuestions: what was asked and is not answered later in the thread.
- urgency: critical only where harm happens within a day.
- suggestedReply: only where somebody waits for the owner.
Leave a list empty rather than guess.`

function fields(properties: Record<string, object>) {
  return { type: 'object', properties, required: Object.keys(properties), additionalProperties: false }
}

function list(properties: Record<string, object>) {
  return { type: 'array', items: fields(properties) }
}
