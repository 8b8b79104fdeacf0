#!lua
-- Changes a mailbox's secrets, unless they were changed meanwhile or are gone.
--
-- KEYS    secrets
-- ARGV    a field and what it must hold, then fields and their new values ('' removes one)
-- Result  1, or 0 when the field holds something else

--@ staged.lua

local key = KEYS[1]
if get(key, ARGV[1]) ~= ARGV[2] then return 0 end
local removed = {}
for place = 3, #ARGV, 2 do
  if ARGV[place + 1] == '' then removed[#removed + 1] = ARGV[place] else put(GUARDS, key, ARGV[place], ARGV[place + 1]) end
end
-- First: what is set may be what has to be held.
if #removed > 0 then stage(GROUND, 'HDEL', key, unpack(removed)) end
flush()
return 1
