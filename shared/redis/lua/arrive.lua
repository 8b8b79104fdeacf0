#!lua
-- Posts a notification to its mailbox's stream, unless it was posted before, and counts it.
--
-- KEYS    mailbox, the key that remembers the event, the mailbox's watch events, the partition's counts
-- ARGV    envelope, 1 if it is outdated, the run it asks for
-- Result  'posted' | 'duplicate' | 'stale' | 'unknown' when the mailbox is not connected

--@ staged.lua

local mailbox, seen, stream, counts = unpack(KEYS)

local function count(what)
  put(GUARDS, counts, what, number(counts, what) + 1)
  return what
end

local function post()
  local what, mark = ARGV[2] == '1' and ARRIVAL.stale or ARRIVAL.posted, ARRIVAL.counted .. seen
  stage(CONTENT, 'XADD', stream, '*', ENTRY.envelope, ARGV[1])
  -- Marks pending work to list until a run begins, whatever happens to the stream.
  if what == ARRIVAL.posted then put(GROUND, mailbox, MAILBOX.asked, ARGV[3]) end
  if not get(counts, mark) then count(what) end
  -- Kept until the event is remembered, so that no event counts twice.
  put(GUARDS, counts, mark, '1')
  stage(OVER, 'SET', seen, '1', 'EX', LIFETIME.notification)
  stage(AFTER, 'HDEL', counts, mark)
  return what
end

local answer
if redis.call('HEXISTS', mailbox, MAILBOX.connectedAt) == 0 then
  answer = count(ARRIVAL.unknown)
elseif redis.call('GET', seen) then
  answer = count(ARRIVAL.duplicate)
else
  answer = post()
end
flush()
return answer
