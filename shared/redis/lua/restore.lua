#!lua
-- Restores a mailbox whose record or index entry was lost. Removing a mailbox removes both together.
--
-- KEYS    mailbox, the partition's set of mailboxes, the partition's mailbox events
-- ARGV    mailbox id
-- Result  'whole' | 'gone', where neither exists | 'listed' again | 'recorded' again, without a cursor

--@ clock.lua
--@ staged.lua

local mailbox, index, events = unpack(KEYS)
local name = ARGV[1]
local isRecorded, isListed = get(mailbox, MAILBOX.connectedAt) ~= false, redis.call('SISMEMBER', index, name) == 1
if isRecorded == isListed then return isRecorded and 'whole' or 'gone' end
if isRecorded then
  stage(CONTENT, 'SADD', index, name)
else
  stage(CONTENT, 'XADD', events, 'MAXLEN', '~', LIMIT.mailboxEvents, '*', EVENT.event, 'restored', EVENT.mailbox, name, EVENT.at, now)
  put(GUARDS, mailbox, MAILBOX.connectedAt, now)
  put(GUARDS, mailbox, MAILBOX.since, now)
end
flush()
return isRecorded and 'listed' or 'recorded'
