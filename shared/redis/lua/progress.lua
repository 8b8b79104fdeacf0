-- Part of scripts that measure the progress of a stream's groups.

local function smaller(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end

-- Compares by digits: a double cannot hold every sequence number.
local function before(a, b)
  local aMs, aSeq = string.match(a, '^(%d+)%-(%d+)$')
  local bMs, bSeq = string.match(b, '^(%d+)%-(%d+)$')
  if aMs ~= bMs then return smaller(aMs, bMs) end
  return smaller(aSeq, bSeq)
end

local function following(id)
  local ms, seq = string.match(id, '^(%d+)%-(%d+)$')
  if #seq > 15 then return id end
  return string.format('%s-%.0f', ms, tonumber(seq) + 1)
end

-- The pending entries count too, in case the group's position was set back or forward.
local function firstNeeded(stream, group)
  local unread = following(group['last-delivered-id'])
  local oldest = redis.call('XPENDING', stream, group.name)[2]
  return oldest and before(oldest, unread) and oldest or unread
end

local function groupsOf(stream)
  local groups = {}
  for place, flat in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    groups[place] = {}
    for at = 1, #flat, 2 do groups[place][flat[at]] = flat[at + 1] end
  end
  return groups
end

-- The first entry that some group has not acknowledged; without a group all entries are unread.
local function oldestNeeded(stream, groups)
  local oldest
  for _, group in ipairs(groups) do
    local needed = firstNeeded(stream, group)
    if not oldest or before(needed, oldest) then oldest = needed end
  end
  return oldest or '0-0'
end
