#!lua
-- Changes a mailbox's secrets, unless they were changed or removed meanwhile.
--
-- KEYS    secrets
-- ARGV    a field and its required value, then fields and their new values ('' removes one)
-- Result  1, or 0 when the field has another value

--@ staged.lua

local key = KEYS[1]
if get(key, ARGV[1]) ~= ARGV[2] then return 0 end
local removed = {}
for place = 3, #ARGV, 2 do
  if ARGV[place + 1] == '' then removed[#removed + 1] = ARGV[place] else put(GUARDS, key, ARGV[place], ARGV[place + 1]) end
end
-- Removed first, because a set field may be the one with the required value.
if #removed > 0 then stage(GROUND, 'HDEL', key, unpack(removed)) end
flush()
return 1
