#!lua
-- Changes a mailbox's secrets, unless they were changed meanwhile or are gone.
--
-- KEYS    secrets
-- ARGV    a field and what it must hold, then fields and their new values ('' removes one)
-- Result  1, or 0 when the field holds something else

if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
for place = 3, #ARGV, 2 do
  if ARGV[place + 1] == '' then
    redis.call('HDEL', KEYS[1], ARGV[place])
  else
    redis.call('HSET', KEYS[1], ARGV[place], ARGV[place + 1])
  end
end
return 1
