-- Measures entries that groups have not acknowledged. Changes nothing.
--
-- KEYS    streams of one partition
-- ARGV    retention (ms): for how long acknowledged entries are kept
-- Result  for each stream {unread entries or -1, the bytes they keep in use or -1, the first of them or '', bytes an entry};
--         -1 where the server cannot tell

--@ clock.lua
--@ progress.lua

local function fieldOf(flat, name)
  for at = 1, #flat, 2 do
    if flat[at] == name then return flat[at + 1] end
  end
end

-- Counts the unacknowledged entries of the slowest group. After loading from an append-only file, a group overstates its lag until it reads
-- again.
local function countUnread(stream, groups, length)
  if #groups == 0 then return length end
  local lastId, most = fieldOf(redis.call('XINFO', 'STREAM', stream), 'last-generated-id'), 0
  for _, group in ipairs(groups) do
    local lag = group['last-delivered-id'] == lastId and 0 or group.lag
    if not lag then return -1 end
    most = math.max(most, lag + group.pending)
  end
  return math.min(most, length)
end

local function bytesOf(stream)
  local bytes = redis.pcall('MEMORY', 'USAGE', stream, 'SAMPLES', 20)
  return type(bytes) == 'number' and bytes or -1
end

local cutoff = string.format('%.0f-0', math.max(0, now - ARGV[1]))
local result = {}
for place, stream in ipairs(KEYS) do
  result[place] = { 0, 0, '', 0 }
  local length = redis.call('TYPE', stream).ok == 'stream' and redis.call('XLEN', stream) or 0
  if length > 0 then
    local groups = groupsOf(stream)
    local unread, bytes = countUnread(stream, groups, length), bytesOf(stream)
    local each = bytes > 0 and math.ceil(bytes / length) or 0
    result[place][4] = each
    local first = unread ~= 0 and redis.call('XRANGE', stream, oldestNeeded(stream, groups), '+', 'COUNT', 1)[1]
    if first then
      -- An unread entry beyond the retention keeps all later ones; and where the server cannot count, all may be unread.
      local isWhole = unread < 0 or before(first[1], cutoff)
      if not isWhole and bytes > 0 then bytes = math.ceil(bytes * unread / length) end
      result[place] = { unread, bytes, first[1], each }
    end
  end
end
return result
