#!lua
-- Keeps messages of a mailbox; of one that was removed nothing is kept, nor of one that is to be at rest and is not.
--
-- KEYS    mailbox, then a key for each message
-- ARGV    seconds to keep them, the cursor that the mailbox must be at with no run under way ('' for wherever it is), then the messages
-- Result  how many are kept

if redis.call('HEXISTS', KEYS[1], 'connectedAt') == 0 then return 0 end
if ARGV[2] ~= '' then
  local cursor, run = unpack(redis.call('HMGET', KEYS[1], 'cursor', 'activeRun'))
  if run or cursor ~= ARGV[2] then return 0 end
end
for place = 2, #KEYS do redis.call('SET', KEYS[place], ARGV[place + 1], 'EX', ARGV[1]) end
return #KEYS - 1
