#!lua
-- Pauses a connected mailbox.
--
-- KEYS    mailbox, the partition's mailbox events
-- ARGV    mailbox id, now (ms)
-- Result  'unknown', 'paused', or 'paused before'

--@ staged.lua

local mailbox, events = unpack(KEYS)
local name, at = unpack(ARGV)
prefetch(mailbox, { MAILBOX.connectedAt, MAILBOX.pausedAt })
if not get(mailbox, MAILBOX.connectedAt) then return 'unknown' end
if get(mailbox, MAILBOX.pausedAt) then return 'paused before' end
stage(CONTENT, 'XADD', events, 'MAXLEN', '~', LIMIT.mailboxEvents, '*', EVENT.event, 'paused', EVENT.mailbox, name, EVENT.at, at)
put(GUARDS, mailbox, MAILBOX.pausedAt, at)
flush()
return 'paused'
