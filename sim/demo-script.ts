/**
 * The course of a conversation. Each step has a role, a delay in hours after the step before, and several
 * wordings.
 */
export type Kind = 'decision' | 'blocked' | 'slip' | 'approval' | 'status' | 'meeting' | 'question'
export type Role = 'lead' | 'maker' | 'partner' | 'ana'

/** `{item}`, `{first}`, `{second}` come from the topic; `{due}` and `{later}` are later days. */
export const STEPS: Record<Kind, readonly { by: Role; afterHours: number; says: readonly string[] }[]> = {
  decision: [
    {
      by: 'lead',
      afterHours: 0,
      says: [
        'We have to settle {item}: {first} or {second}? I need an answer by {due}, otherwise the order slips.',
        'Two options are on the table for {item}: {first}, or {second}. Which one do we take? Deadline for the decision is {due}.',
      ],
    },
    {
      by: 'maker',
      afterHours: 4,
      says: [
        'From our side {first} is the safer choice. With {second} we would need another round of tests that nobody has planned.',
        'I would go for {first}. No surprises there, and {second} would take longer to arrive.',
      ],
    },
    {
      by: 'partner',
      afterHours: 18,
      says: [
        '{second} would cost less over five years, but only if we train two people. Has anybody budgeted for that?',
        'No strong view. Long term I lean towards {second}, short term towards {first}. What does the budget say?',
      ],
    },
    {
      by: 'ana',
      afterHours: 5,
      says: [
        'There is no money for training this year. Decision: we take {first}. Please update the plan and tell the supplier by {due}.',
        'Thank you both. Decided: {first}. Could you write down why, in two lines, for the decision log?',
      ],
    },
    {
      by: 'lead',
      afterHours: 3,
      says: ['Noted, {first} it is. The order goes out tomorrow.', 'Done: ordered, and in the decision log.'],
    },
  ],
  blocked: [
    {
      by: 'maker',
      afterHours: 0,
      says: [
        'We are blocked on {item}: {first}. Nothing moves until this is solved, and two people are waiting.',
        'Heads-up: {item} has been standing still since yesterday because {first}. Who can help?',
      ],
    },
    {
      by: 'lead',
      afterHours: 2,
      says: [
        'How many days do we lose if it stays like that until {due}?',
        'Is there anything we can do in the meantime, or is it a full stop?',
      ],
    },
    {
      by: 'maker',
      afterHours: 6,
      says: [
        'A full stop for {item}. If it is not solved by {due} we lose the slot and the next one is {later}.',
        'About a day for each day of waiting. After {due} it hits the critical path.',
      ],
    },
    {
      by: 'ana',
      afterHours: 14,
      says: [
        'I raised it with the steering group. {second} owns this now and will report back by {due}.',
        '{second} will take care of it. Please send them the details today, and put it on the risk list as high.',
      ],
    },
    {
      by: 'partner',
      afterHours: 22,
      says: [
        'Good news: this is solved. You can go on with {item} from tomorrow.',
        'Half of it is fixed; the rest follows on {due}. Can you start with what is there?',
      ],
    },
  ],
  slip: [
    {
      by: 'lead',
      afterHours: 0,
      says: [
        'I am sorry to say that {item} will not be ready by {due}. Reason: {first}. New date: {later}.',
        '{item} slips to {later}, because {first}. I wanted you to hear it from me first.',
      ],
    },
    {
      by: 'ana',
      afterHours: 3,
      says: ['What does that mean for {second}?', 'Does this move {second} as well, or is there any slack?'],
    },
    {
      by: 'lead',
      afterHours: 20,
      says: [
        '{second} has four days of slack, so the end date holds, if nothing else happens.',
        'Yes: {second} moves by a week. I will send a new plan by Friday.',
      ],
    },
    {
      by: 'ana',
      afterHours: 6,
      says: [
        'Agreed. Please mark it amber in the report and tell the sponsor.',
        'Accepted this once. What do we change so that we see it earlier next time?',
      ],
    },
  ],
  approval: [
    {
      by: 'partner',
      afterHours: 0,
      says: [
        'Please approve the offer from {first} for {item}: {second}, valid until {due}.',
        'The offer for {item} is in: {first}, {second} in total. May I sign? It lapses on {due}.',
      ],
    },
    {
      by: 'ana',
      afterHours: 9,
      says: [
        'Is that within the budget line, and did we get a second offer?',
        'Before I sign: what is included, and who checked the terms?',
      ],
    },
    {
      by: 'partner',
      afterHours: 16,
      says: [
        'Within budget, and the only other offer was a third higher. Legal has read it.',
        'It includes delivery and two visits. The terms are our standard ones.',
      ],
    },
    {
      by: 'ana',
      afterHours: 4,
      says: [
        'Approved up to {second}. Please file the signed copy.',
        'Approved. Please ask {first} to confirm the date in writing.',
      ],
    },
  ],
  status: [
    {
      by: 'lead',
      afterHours: 0,
      says: [
        'This week: {first} is done. Next: {second}. Overall green, one open question on {item}.',
        'Status: we finished {first}; {second} starts on Monday. {item} is amber until somebody confirms the date.',
      ],
    },
    {
      by: 'ana',
      afterHours: 5,
      says: ['Thanks. Who confirms the date for {item}, and by when?', 'What would turn {item} green?'],
    },
    {
      by: 'maker',
      afterHours: 8,
      says: ['I will, by {due}.', 'A written yes from the supplier. I will call them and report by {due}.'],
    },
    {
      by: 'lead',
      afterHours: 26,
      says: [
        'The date is confirmed, we are green again.',
        'No answer yet. I will escalate if we hear nothing by {due}.',
      ],
    },
  ],
  meeting: [
    {
      by: 'lead',
      afterHours: 0,
      says: [
        'Can we meet about {item}? Aim: {first}. I suggest {due} at 10:00, {second}.',
        'Invitation: {item}, {due}, 14:00, {second}. Goal: {first}.',
      ],
    },
    {
      by: 'partner',
      afterHours: 7,
      says: ['Works for me.', 'I can only join for the first half hour, is that enough?'],
    },
    {
      by: 'ana',
      afterHours: 3,
      says: [
        'I will be there. Please send the agenda the day before.',
        'Confirmed. Action from last time still open: the cost overview.',
      ],
    },
  ],
  question: [
    {
      by: 'maker',
      afterHours: 0,
      says: ['Quick question on {item}: {first}?', 'Does anybody know, for {item}: {first}?'],
    },
    { by: 'partner', afterHours: 5, says: ['{second}.', 'Asked around: {second}.'] },
    {
      by: 'ana',
      afterHours: 4,
      says: [
        'Thank you, I will put that into the minutes.',
        'Good to know. Please add it to the project page, so that nobody has to ask again.',
      ],
    },
  ],
}
