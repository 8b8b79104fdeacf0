#!lua
-- Posts an event for an idle mailbox that has marks of pending work and no waiting event.
--
-- KEYS    mailbox, the mailbox's watch events, the partition's mailbox events, then the places where its events may wait
-- ARGV    plan: {mailbox, run: that the event asks for, envelope, text: contained in every entry of the mailbox,
--         places: [[kind, group]]}
-- Result  1 if an event was written

--@ clock.lua
--@ staged.lua
--@ waiting.lua

local mailbox, stream, events = unpack(KEYS)
local plan = cjson.decode(ARGV[1])
local NOTED = { MAILBOX.dirty, MAILBOX.created, MAILBOX.lookAfterRun, MAILBOX.look, MAILBOX.parkedEvent }

prefetch(mailbox, { MAILBOX.connectedAt, MAILBOX.activeRun, unpack(NOTED) })
if not get(mailbox, MAILBOX.connectedAt) or get(mailbox, MAILBOX.activeRun) or isWaiting(plan.places, plan.text) then return 0 end
put(GROUND, mailbox, MAILBOX.asked, plan.run)
stage(CONTENT, 'XADD', stream, '*', ENTRY.envelope, plan.envelope)
stage(CONTENT, 'XADD', events, 'MAXLEN', '~', LIMIT.mailboxEvents, '*', EVENT.event, 'healed', EVENT.mailbox, plan.mailbox,
  EVENT.at, now, EVENT.by, plan.run)
for _, field in ipairs(NOTED) do drop(mailbox, field) end
flush()
return 1
