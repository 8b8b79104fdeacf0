#!lua
-- Pauses a connected mailbox.
--
-- KEYS    mailbox, the partition's mailbox events
-- ARGV    mailbox id, now (ms)
-- Result  'unknown', 'paused', or 'paused before'

--@ staged.lua

local mailbox, events = unpack(KEYS)
local name, at = unpack(ARGV)
prefetch(mailbox, { 'connectedAt', 'pausedAt' })
if not get(mailbox, 'connectedAt') then return 'unknown' end
if get(mailbox, 'pausedAt') then return 'paused before' end
stage(CONTENT, 'XADD', events, 'MAXLEN', '~', 1000, '*', 'event', 'paused', 'mailbox', name, 'at', at)
put(GUARDS, mailbox, 'pausedAt', at)
flush()
return 'paused'
