#!lua
-- Keeps messages of a mailbox; of one that was removed nothing is kept.
--
-- KEYS    mailbox, then a key for each message
-- ARGV    seconds to keep them, then the messages
-- Result  how many are kept

if redis.call('HEXISTS', KEYS[1], 'connectedAt') == 0 then return 0 end
for place = 2, #KEYS do redis.call('SET', KEYS[place], ARGV[place], 'EX', ARGV[1]) end
return #KEYS - 1
