import { type Kind, type Role, STEPS } from './demo-script.ts'

/** The topic of a conversation: its kind, subject, and the words for `{item}`, `{first}` and `{second}`. */
export interface Topic {
  kind: Kind
  subject: string
  item: string
  first: string
  second: string
}

/** A project: the label of its mail, its people, and their topics. */
export interface Team {
  label: string
  people: Record<Exclude<Role, 'ana'>, string>
  topics: readonly Topic[]
}

/** The projects of the demo, each with its conversations in order. */
export const TEAMS: readonly Team[] = [
  {
    label: 'Projects/Bridge',
    people: {
      lead: 'Marek Dvořák <marek.dvorak@example.org>',
      maker: 'Ines Albrecht <ines.albrecht@example.org>',
      partner: 'Tom Okafor <tom.okafor@example.net>',
    },
    topics: table(`
      decision | Bearings for span 2 | the bearings of span 2 | elastomeric bearings | pot bearings
      blocked | Scaffold cannot go up | the scaffold on the east pier | the river permit still lacks a signature | The harbour app
      status | Bridge: week 37 | the crane booking | the survey of the deck | removing the old railing
      approval | Offer for concrete tests | the core samples | Rheinfels Labor | 8,400 euros
      slip | Lighting design late | the lighting design | the lamp posts were measured from old drawings | the cable ducts
      question | Night work in November? | the noise permit | may we work until 22:00 on weekdays | yes, but not on the two market Saturdays
      meeting | Traffic detour walk-through | the detour for buses | agree on the signs with the bus operator | site app, upper floor
      decision | Colour of the railing | the railing | graphite grey | the historic green
      blocked | Divers sent home | the inspection of the foundations | the water level is too high for divers | The water authority
      status | Bridge: week 41 | the steel delivery | the east pier | the west pier
      slip | Steel delivery | the steel for span 2 | the mill changed its rolling plan | the crane weekend
      approval | Second crane for the weekend | a second crane | Hebewerk Nord | 21,500 euros
      question | Who tells the fishing club? | the closed river bank | who informs the fishing club | the town hall does, letters go out this week
      decision | Joint sealing – method | the joints of the deck | hot-poured sealing | preformed strips
    `),
  },
  {
    label: 'Projects/Web shop',
    people: {
      lead: 'Priya Raman <priya.raman@example.com>',
      maker: 'Jonas Weiß <jonas.weiss@example.com>',
      partner: 'Chloé Martin <chloe.martin@example.net>',
    },
    topics: table(`
      decision | Payment provider | payments at the start | the provider we have today | the new one with instalments
      status | Relaunch: sprint 4 | the product import | the basket | the checkout
      blocked | Test shop is down | the acceptance test | the test shop has no valid certificate | The hosting team
      question | Gift cards on day one? | gift cards | do we sell gift cards from the first day | no, they come with the Christmas release
      approval | Photos for 120 products | the product photos | Studio Lumen | 6,900 euros
      slip | Search goes live later | the new search | synonyms in three languages were forgotten | the load test
      meeting | Go/no-go for the relaunch | the go/no-go | decide with the numbers of the load test | room Elbe and online
      decision | Free delivery from which amount? | free delivery | 50 euros | 75 euros
      blocked | Stock numbers are wrong | the stock display | the warehouse sends yesterday’s numbers | The warehouse team
      status | Relaunch: sprint 6 | the translations | the checkout | order tracking
      question | Old links in newsletters | the redirects | how long do we keep the old addresses alive | at least 24 months, marketing relies on them
      approval | Load test from outside | the load test | Peak Probe | 3,200 euros
      slip | Loyalty points | the loyalty points | the rules changed after the review | the Christmas campaign
      decision | Zurück button in checkout | the checkout | one page with sections | three steps with a back button
    `),
  },
  {
    label: 'Projects/Office move',
    people: {
      lead: 'Lars Nygård <lars.nygard@example.com>',
      maker: 'Fatima Haddad <fatima.haddad@example.com>',
      partner: 'Greg Tully <greg.tully@example.org>',
    },
    topics: table(`
      decision | Desks: fixed or shared | the seating plan | fixed desks for everybody | shared desks on two floors
      approval | Moving company | the move itself | Kiste & Söhne | 17,800 euros
      status | Move: eight weeks to go | the key hand-over | the floor plan | the inventory
      blocked | No network on floor 3 | the meeting room screens | the cabling contractor has not shown up | The landlord
      question | Plants | the plants in the lobby | do the plants come with us | the big ones stay, the landlord bought them
      slip | Kitchen fit-out | the kitchen | the worktops arrived broken | the opening lunch
      meeting | Fire wardens for the new house | fire wardens | find four people and book the training | new house, ground floor
      decision | What happens to the archive | the paper archive | scanning everything older than five years | renting a cellar room
      status | Move: four weeks to go | the parking permits | the inventory | packing the workshop
      blocked | Access cards | the access cards | the card printer needs a driver that IT does not allow | IT service
      question | Bicycle room | the bicycle room | how many stands do we get | thirty, and ten more in spring
      approval | Acoustic panels | the panels for the open floor | Stillwerk | 4,750 euros
      slip | Lift inspection | the lift | the inspector is ill | the heavy furniture
      meeting | Last walk through the old app | the hand-over of the old app | list what has to be repaired | old app, reception
    `),
  },
  {
    label: 'Projects/Audit',
    people: {
      lead: 'Nadia Petrova <nadia.petrova@example.net>',
      maker: 'Samuel Osei <samuel.osei@example.com>',
      partner: 'Ruth Lindqvist <ruth.lindqvist@example.org>',
    },
    topics: table(`
      meeting | Kick-off of the data-centre audit | the audit | agree on scope and dates | video call
      status | Audit: documents | the access log | the fire-safety folder | the power tests
      blocked | No access to hall B | the rack survey | our visitor passes end at hall A | Site security
      decision | Sample size for the backup test | the restore test | ten systems chosen by lot | all critical systems
      question | Diesel for the generators | the generators | how many hours does one tank last | 36 hours at full load, measured in June
      slip | Power test | the power test | a hospital on the same line asked for quiet days | the final report
      approval | Thermal camera | the thermal survey | Warmbild | 1,150 euros
      status | Audit: week 2 | the list of administrators | hall A | hall B
      blocked | Firewall rules not exported | the rule review | the export contains only the first thousand rules | The network team
      decision | Rating of the cooling finding | the finding on cooling | medium, with a deadline | high, with a stop
      question | Old tapes in the safe | the tapes from 2014 | may they be destroyed | not before legal has released them
      meeting | Draft report | the draft report | go through the nine findings | video call
      slip | Answers from operations | the answers to the findings | the night shift is short of people | the final meeting
      approval | Follow-up visit | the follow-up in spring | Lindqvist Audit | 5,300 euros
    `),
  },
  {
    label: 'Hiring',
    people: {
      lead: 'Mei Tanaka <mei.tanaka@example.com>',
      maker: 'Oliver Brandt <oliver.brandt@example.com>',
      partner: 'Zoë van Dijk <zoe.vandijk@example.net>',
    },
    topics: table(`
      meeting | Interview panel for site engineer | the interviews | who asks what | room Weser
      decision | Which of the two candidates | the site engineer | the candidate with the bridge experience | the one who can start at once
      question | Probation period | the contract | is it three or six months | six, as in all new contracts
      blocked | Job advert not online | the advert for the shop developer | the job board wants a purchase order | Purchasing
      status | Hiring: September | the second interviews | screening 41 applications | phone calls with nine people
      approval | Job fair stand | the job fair | Campus Messe | 2,600 euros
      slip | Start of the new colleague | the first day of the new site engineer | the notice period is longer than we thought | the hand-over on site
      decision | Trainee or student | the second position | a trainee for two years | a student for six months
      question | Travel costs for candidates | travel costs | do we pay second class only | second class, and a hotel if the trip takes over four hours
      status | Hiring: October | the reference calls | the first interviews | offers to two people
      blocked | Laptop for the first day | the equipment | laptops are sold out until the end of the month | IT service
      meeting | Onboarding plan | the first two weeks | name a buddy and the first tasks | cafeteria
      approval | Language course | the language course | Sprachraum | 980 euros
      question | References by phone | the reference calls | who makes them | the hiring manager, never the recruiter alone
    `),
  },
]

function table(text: string): Topic[] {
  return text
    .trim()
    .split('\n')
    .map(line => {
      const [kind = '', subject = '', item = '', first = '', second = ''] = line.split('|').map(cell => cell.trim())
      if (!isKind(kind) || second === '') throw new Error(`not a topic: ${line}`)
      return { kind, subject, item, first, second }
    })
}

function isKind(text: string): text is Kind {
  return Object.hasOwn(STEPS, text)
}
