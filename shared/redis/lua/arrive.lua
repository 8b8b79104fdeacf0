#!lua
-- Takes in that a mailbox changed: writes it to the mailbox's stream, unless it was taken in before, and counts it.
--
-- KEYS    mailbox, what remembers the event, the mailbox's watch events, the partition's counts
-- ARGV    envelope, seconds to remember the event, 1 if it is old news
-- Result  'posted' | 'duplicate' | 'stale' | 'unknown' when the mailbox is not connected

local mailbox, seen, stream, counts = unpack(KEYS)

local function answer(what)
  redis.call('HINCRBY', counts, what, 1)
  return what
end

if redis.call('HEXISTS', mailbox, 'connectedAt') == 0 then return answer('unknown') end
if redis.call('EXISTS', seen) == 1 then return answer('duplicate') end
-- The one that can fail comes first: there is no rollback.
redis.call('XADD', stream, '*', 'envelope', ARGV[1])
redis.call('SET', seen, '1', 'EX', ARGV[2])
return answer(ARGV[3] == '1' and 'stale' or 'posted')
