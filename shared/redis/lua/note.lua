#!lua
-- Stores fields of a mailbox; stores nothing for one that is not connected or was removed meanwhile.
--
-- KEYS    mailbox
-- ARGV    how many fields to set, each with its value, then fields to remove
-- Result  1 if they were stored

--@ staged.lua

if not get(KEYS[1], MAILBOX.connectedAt) then return 0 end
local last = 1 + 2 * tonumber(ARGV[1])
for place = 2, last, 2 do put(GUARDS, KEYS[1], ARGV[place], ARGV[place + 1]) end
prefetch(KEYS[1], { unpack(ARGV, last + 1) })
for place = last + 1, #ARGV do drop(KEYS[1], ARGV[place]) end
flush()
return 1
