#!lua
-- Takes a dead letter of the gateway out and, when it is to be tried again, puts it back into the intake. Of two who try, one does it.
--
-- KEYS    dead letters, intake
-- ARGV    id of the dead letter, '1' to put it back
-- Result  1, or 0 when it was not there any more

local dead, intake = unpack(KEYS)
local found = redis.call('XRANGE', dead, ARGV[1], ARGV[1])[1]
if not found then return 0 end
if ARGV[2] == '1' then
  for at = 1, #found[2], 2 do
    if found[2][at] == 'envelope' then redis.call('XADD', intake, '*', unpack(cjson.decode(found[2][at + 1]))) end
  end
end
redis.call('XDEL', dead, ARGV[1])
return 1
