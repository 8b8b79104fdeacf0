-- Inspects a partition for stalled work: runs that are not over, and marks of mailboxes. Changes nothing.
-- No `#!lua` line: a server that is out of memory would refuse the script.
--
-- KEYS    the partition's set of mailboxes, its index of runs, the delays of the first stage; the keys of mailboxes and runs are built from
--         their names and have the same hash tag
-- ARGV    the prefix of the partition's keys
-- Result  {mailboxes as {name, '1' if its record exists, active run or '', its marks of pending work without an active run, or '',
--         its subscription or '', how many messages its index holds, '1' if it was synced, '1' if work is parked although nothing blocks it},
--         runs as {run, mailbox, revision, '1' if it only owes threads}, how many runs the index has}

local mailboxes, runs, delays = unpack(KEYS)
local head = ARGV[1]

--@ revision.lua

-- Marks of pending work to list; a mailbox at rest without any of them is complete.
local MARKS = { MAILBOX.dirty, MAILBOX.created, MAILBOX.announced, MAILBOX.lookAfterRun, MAILBOX.asked }

local function marksOf(key, name)
  local found = {}
  for place, value in ipairs(redis.call('HMGET', key, unpack(MARKS))) do
    if value then found[#found + 1] = MARKS[place] .. '=' .. value end
  end
  local look, parked = unpack(redis.call('HMGET', key, MAILBOX.look, MAILBOX.parkedEvent))
  if look and not redis.call('ZSCORE', delays, look) then found[#found + 1] = 'look=' .. look end
  if parked and redis.call('EXISTS', head .. 'parked:' .. name) == 0 then found[#found + 1] = 'parkedEvent=' .. parked end
  local cursor, synced = unpack(redis.call('HMGET', key, MAILBOX.cursor, MAILBOX.synced))
  if not cursor or synced ~= '1' then found[#found + 1] = 'never listed' end
  -- A folder whose link is lost is listed again at the next look.
  for link in string.gmatch(string.match(cursor or '', '^folders:[^:]*:(.*)$') or '', '[^,]+') do
    if redis.call('EXISTS', head .. 'link:' .. name .. ':' .. link) == 0 then found[#found + 1] = 'link=' .. link end
  end
  return table.concat(found, ' ')
end

local boxes, open, owners = {}, {}, {}
for _, name in ipairs(redis.call('SMEMBERS', mailboxes)) do
  local key = head .. 'mailbox:' .. name
  local connectedAt, active, subscription, synced =
    unpack(redis.call('HMGET', key, MAILBOX.connectedAt, MAILBOX.activeRun, MAILBOX.subscription, MAILBOX.synced))
  local pausedAt, status = unpack(redis.call('HMGET', key, MAILBOX.pausedAt, MAILBOX.status))
  local isStray = connectedAt and not pausedAt and not status and redis.call('EXISTS', head .. 'parked:' .. name) == 1
  boxes[#boxes + 1] = {
    name, connectedAt and '1' or '0', active or '', connectedAt and not active and marksOf(key, name) or '', subscription or '',
    redis.call('HLEN', head .. 'threads-of:' .. name), synced == '1' and '1' or '0', isStray and '1' or '0',
  }
  if active then owners[active] = name end
end

local function lookAtRun(run, owner)
  local key, unsent = head .. 'run:' .. run, head .. 'run:' .. run .. ':unsent'
  local endedAt, threads, settled, opened, merged, deferred, healedBy, mailbox =
    unpack(redis.call('HMGET', key, RUN.endedAt, RUN.threads, RUN.settled, RUN.opened, RUN.merged, RUN.deferred, RUN.healedBy, RUN.mailbox))
  -- A forgotten run is known through the mailbox that waits for it; otherwise it has no owner.
  if not mailbox and not owner then return end
  local hasAll = endedAt and tonumber(opened or 0) <= tonumber(merged or 0) and tonumber(deferred or 0) <= 0
  if not owner then
    if healedBy then return end
    if hasAll and tonumber(settled or 0) >= tonumber(threads or 0) and redis.call('HLEN', unsent) == 0 then return end
  end
  open[#open + 1] = { run, owner or mailbox, revisionOf(key, key .. ':threads', unsent), hasAll and not owner and '1' or '0' }
end

for run, owner in pairs(owners) do lookAtRun(run, owner) end
for _, run in ipairs(redis.call('ZRANGE', runs, 0, -1)) do
  if not owners[run] then lookAtRun(run) end
end
return { boxes, open, redis.call('ZCARD', runs) }
