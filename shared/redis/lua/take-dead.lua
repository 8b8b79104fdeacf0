#!lua
-- Removes a dead letter of the gateway and, for a retry, puts it back into the intake. Of two concurrent callers only one succeeds.
--
-- KEYS    dead letters, intake
-- ARGV    id of the dead letter, '1' to put it back
-- Result  1, or 0 when it was already gone

--@ staged.lua

local dead, intake = unpack(KEYS)
local found = redis.call('XRANGE', dead, ARGV[1], ARGV[1])[1]
if not found then return 0 end
if ARGV[2] == '1' then
  for at = 1, #found[2], 2 do
    if found[2][at] == ENTRY.envelope then
      local fields = decoded(found[2][at + 1], dead)
      if #fields > LIMIT.words then refuse('WRONGVALUE ' .. dead .. ' holds a notification of more than ' .. LIMIT.words .. ' fields') end
      stage(CONTENT, 'XADD', intake, '*', unpack(fields))
    end
  end
end
stage(ACKNOWLEDGED, 'XDEL', dead, ARGV[1])
flush()
return 1
