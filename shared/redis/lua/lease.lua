#!lua
-- Takes a free lease, renews ours, or releases ours. Another holder's lease is not touched.
--
-- KEYS    the lease
-- ARGV    token, for how long (ms; 0 releases it)
-- Result  1 while it is ours, else 0

local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
