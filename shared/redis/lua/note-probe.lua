#!lua
-- Notes that a mailbox that waits for its account was asked for, and in vain.
--
-- KEYS    mailbox
-- ARGV    now (ms), why it still waits, or nothing where that is not known
-- Result  1, or 0 where the mailbox does not wait any more

local mailbox = KEYS[1]
local now, reason = unpack(ARGV)
if redis.call('HGET', mailbox, 'status') ~= 'needs-reauth' then return 0 end
redis.call('HSET', mailbox, 'probedAt', now)
if reason ~= '' then redis.call('HSET', mailbox, 'statusReason', reason) end
return 1
