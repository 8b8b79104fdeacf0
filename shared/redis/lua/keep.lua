#!lua
-- Keeps messages of a mailbox; of one that was removed nothing is kept, nor of one that is to be at rest and is not.
--
-- KEYS    mailbox, then a key for each message
-- ARGV    seconds to keep them, the cursor that the mailbox must be at with no run under way ('' for wherever it is), then the messages
-- Result  how many are kept

--@ staged.lua

prefetch(KEYS[1], { 'connectedAt', 'cursor', 'activeRun' })
if not get(KEYS[1], 'connectedAt') then return 0 end
if ARGV[2] ~= '' and (get(KEYS[1], 'activeRun') or get(KEYS[1], 'cursor') ~= ARGV[2]) then return 0 end
for place = 2, #KEYS do stage(CONTENT, 'SET', KEYS[place], ARGV[place + 1], 'EX', ARGV[1]) end
flush()
return #KEYS - 1
