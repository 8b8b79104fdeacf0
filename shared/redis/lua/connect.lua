#!lua
-- Makes a mailbox known; one that is known already stays as it is.
--
-- KEYS    mailbox, the partition's set of mailboxes, the partition's mailbox events
-- ARGV    mailbox id, cursor, now (ms)
-- Result  1 if it is new
-- `since` is by the clock that numbers stream entries: what was written before belongs to a mailbox of that name that was removed.

--@ clock.lua
--@ staged.lua

local mailbox, index, events = unpack(KEYS)
local name, cursor, at = unpack(ARGV)
local isNew = not get(mailbox, 'connectedAt')
stage(GROUND, 'SADD', index, name)
if isNew then
  stage(CONTENT, 'XADD', events, 'MAXLEN', '~', 1000, '*', 'event', 'connected', 'mailbox', name, 'at', at)
  put(GUARDS, mailbox, 'connectedAt', at)
  put(GUARDS, mailbox, 'cursor', cursor)
  put(GUARDS, mailbox, 'since', now)
end
flush()
return isNew and 1 or 0
