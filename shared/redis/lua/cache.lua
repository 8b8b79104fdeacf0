#!lua
-- Caches messages of a mailbox. Nothing is cached for a removed mailbox, nor for one that must be idle and is not.
--
-- KEYS    mailbox, then one key a message
-- ARGV    seconds to keep them, the cursor that the idle mailbox must have ('' for any state), then the messages
-- Result  how many were cached

--@ staged.lua

prefetch(KEYS[1], { MAILBOX.connectedAt, MAILBOX.cursor, MAILBOX.activeRun })
if not get(KEYS[1], MAILBOX.connectedAt) then return 0 end
if ARGV[2] ~= '' and (get(KEYS[1], MAILBOX.activeRun) or get(KEYS[1], MAILBOX.cursor) ~= ARGV[2]) then return 0 end
for place = 2, #KEYS do stage(CONTENT, 'SET', KEYS[place], ARGV[place + 1], 'EX', ARGV[1]) end
flush()
return #KEYS - 1
