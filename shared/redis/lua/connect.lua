#!lua
-- Connects a mailbox; a connected one stays unchanged.
--
-- KEYS    mailbox, the partition's set of mailboxes, the partition's mailbox events
-- ARGV    mailbox id, cursor, now (ms)
-- Result  1 if it is new
-- `since` uses the clock that numbers stream entries: earlier entries belong to a removed mailbox of the same name.

--@ clock.lua
--@ staged.lua

local mailbox, index, events = unpack(KEYS)
local name, cursor, at = unpack(ARGV)
local isNew = not get(mailbox, MAILBOX.connectedAt)
stage(GROUND, 'SADD', index, name)
if isNew then
  stage(CONTENT, 'XADD', events, 'MAXLEN', '~', LIMIT.mailboxEvents, '*', EVENT.event, 'connected', EVENT.mailbox, name, EVENT.at, at)
  put(GUARDS, mailbox, MAILBOX.connectedAt, at)
  put(GUARDS, mailbox, MAILBOX.cursor, cursor)
  put(GUARDS, mailbox, MAILBOX.since, now)
end
flush()
return isNew and 1 or 0
