#!lua
-- Pauses a mailbox that is known.
--
-- KEYS    mailbox, the partition's mailbox events
-- ARGV    mailbox id, now (ms)
-- Result  'unknown', 'paused', or 'paused before'

local mailbox, events = unpack(KEYS)
local name, now = unpack(ARGV)
if redis.call('HEXISTS', mailbox, 'connectedAt') == 0 then return 'unknown' end
if redis.call('HSETNX', mailbox, 'pausedAt', now) == 0 then return 'paused before' end
redis.call('XADD', events, 'MAXLEN', '~', 1000, '*', 'event', 'paused', 'mailbox', name, 'at', now)
return 'paused'
