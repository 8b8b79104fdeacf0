#!lua
-- Makes a mailbox known; one that is known already stays as it is.
--
-- KEYS    mailbox, the partition's set of mailboxes, the partition's mailbox events
-- ARGV    mailbox id, cursor, now (ms)
-- Result  1 if it is new
-- `since` is by the clock that numbers stream entries: what was written before belongs to a mailbox of that name that was removed.

local mailbox, index, events = unpack(KEYS)
local name, cursor, now = unpack(ARGV)
redis.call('SADD', index, name)
if redis.call('HSETNX', mailbox, 'connectedAt', now) == 0 then return 0 end
local time = redis.call('TIME')
redis.call('HSET', mailbox, 'cursor', cursor, 'since', string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)))
redis.call('XADD', events, 'MAXLEN', '~', 1000, '*', 'event', 'connected', 'mailbox', name, 'at', now)
return 1
