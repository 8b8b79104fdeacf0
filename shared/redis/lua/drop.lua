-- Drops the oldest entries that some group has not acknowledged, and reports it in the partition's events.
-- No `#!lua` line: a server that is out of memory would refuse the script, and this one frees memory.
--
-- KEYS    stream, the partition's stream of mailbox events
-- ARGV    the most entries to drop, only those older than this (ms) or '', the reason
-- Result  {dropped entries, those among them that some group had not acknowledged}

--@ clock.lua
--@ staged.lua
--@ progress.lua

local stream, events = unpack(KEYS)
local most, olderThan, reason = unpack(ARGV)
if redis.call('TYPE', stream).ok ~= 'stream' then return { 0, 0 } end

local upTo = olderThan == '' and '+' or string.format('(%.0f-0', math.max(0, now - olderThan))
local groups = groupsOf(stream)
local entries = redis.call('XRANGE', stream, oldestNeeded(stream, groups), upTo, 'COUNT', most)
if #entries == 0 then return { 0, 0 } end

local pending, unread = {}, 0
for _, entry in ipairs(entries) do
  local id, isUnread = entry[1], #groups == 0
  for place, group in ipairs(groups) do
    pending[place] = pending[place] or {}
    if #redis.call('XPENDING', stream, group.name, id, id, 1) > 0 then
      table.insert(pending[place], id)
      isUnread = true
    elseif before(group['last-delivered-id'], id) then
      isUnread = true
    end
  end
  if isUnread then unread = unread + 1 end
end
-- If they stayed pending, they would block trimming of later entries.
for place, group in ipairs(groups) do
  for first = 1, #pending[place], LIMIT.words do
    stage(OVER, 'XACK', stream, group.name, unpack(pending[place], first, math.min(first + LIMIT.words - 1, #pending[place])))
  end
end
stage(ACKNOWLEDGED, 'XTRIM', stream, 'MINID', following(entries[#entries][1]))
-- A full server may refuse it; the keeper's log reports it as well.
if unread > 0 then
  stage(AFTER, 'XADD', events, 'MAXLEN', '~', LIMIT.mailboxEvents, '*', EVENT.event, 'tasks-dropped', EVENT.tasks, unread, EVENT.reason, reason,
    EVENT.at, now).isOptional = true
end
flush()
return { #entries, unread }
