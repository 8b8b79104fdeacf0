#!lua
-- Notes fields of a mailbox; of one that is not connected, or was removed meanwhile, nothing is noted.
--
-- KEYS    mailbox
-- ARGV    how many fields to set, each with its value, then fields to forget
-- Result  1 if it was noted

if redis.call('HEXISTS', KEYS[1], 'connectedAt') == 0 then return 0 end
local last = 1 + 2 * tonumber(ARGV[1])
for place = 2, last, 2 do redis.call('HSET', KEYS[1], ARGV[place], ARGV[place + 1]) end
for place = last + 1, #ARGV do redis.call('HDEL', KEYS[1], ARGV[place]) end
return 1
