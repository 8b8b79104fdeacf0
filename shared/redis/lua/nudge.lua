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
local NOTED = { 'dirty', 'created', 'lookAfterRun', 'look', 'heldEvent' }

prefetch(mailbox, { 'connectedAt', 'activeRun', unpack(NOTED) })
if not get(mailbox, 'connectedAt') or get(mailbox, 'activeRun') or isWaiting(plan.places, plan.text) then return 0 end
put(GROUND, mailbox, 'asked', plan.run)
stage(CONTENT, 'XADD', stream, '*', 'envelope', plan.envelope)
stage(CONTENT, 'XADD', events, 'MAXLEN', '~', 1000, '*', 'event', 'healed', 'mailbox', plan.mailbox, 'at', now, 'by', plan.run)
for _, field in ipairs(NOTED) do drop(mailbox, field) end
flush()
return 1
