-- Takes over entries whose lease expired, and marks each stream's progress.
-- No `#!lua` line: a server that is out of memory would refuse the script, and expired work must be taken over there too.
--
-- KEYS    streams, then for each the hash that holds its mark
-- ARGV    group, consumer, lease (ms), the most entries to take in all, then for each stream the id after which to continue, or 0-0
-- Result  a list for each stream that was reached: {where to continue, or 0-0 at the end; entries taken as {id, fields, deliveries}; how
-- many
--         entries were trimmed, which are acknowledged; the other consumers with pending entries}
-- Everything up to a stream's mark is acknowledged: a lost group is recreated there.

local group, me, left = ARGV[1], ARGV[2], tonumber(ARGV[4])
local streams = #KEYS / 2

--@ staged.lua
--@ take.lua

local function idBefore(id)
  local ms, seq = string.match(id, '^(%d+)%-(%d+)$')
  -- A sequence number that a double cannot hold is stepped back to its millisecond.
  if #seq > 15 then return ms .. '-0' end
  if seq ~= '0' then return string.format('%s-%.0f', ms, tonumber(seq) - 1) end
  return string.format('%.0f-18446744073709551615', tonumber(ms) - 1)
end

local function named(flat)
  local fields = {}
  for at = 1, #flat, 2 do fields[flat[at]] = flat[at + 1] end
  return fields
end

local function lastDelivered(stream)
  for _, flat in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local found = named(flat)
    if found.name == group then
      local last = found['last-delivered-id']
      -- After loading from an append-only file, a group no longer knows how many entries it has read: its lag is overstated or unknown.
      if last ~= '0-0' and (found.lag ~= 0 or not found['entries-read']) then
        local all = named(redis.call('XINFO', 'STREAM', stream))
        if all['last-generated-id'] == last then
          stage(AFTER, 'XGROUP', 'SETID', stream, group, last, 'ENTRIESREAD', all['entries-added']).isOptional = true
        end
      end
      return last
    end
  end
  return '0-0'
end

local function mark(stream, hash)
  local _, oldest, _, holders = unpack(redis.call('XPENDING', stream, group))
  local done = oldest and idBefore(oldest) or lastDelivered(stream)
  -- Without memory the old mark stays, which is still valid.
  if get(hash, stream) ~= done then stage(AFTER, 'HSET', hash, stream, done).isOptional = true end
  local others = {}
  for _, holder in ipairs(holders or {}) do
    if holder[1] ~= me then others[#others + 1] = holder[1] end
  end
  return others
end

local answers = {}
for place = 1, streams do
  if left <= 0 then break end
  local stream = KEYS[place]
  local found = redis.call('XPENDING', stream, group, 'IDLE', ARGV[3], '(' .. ARGV[4 + place], '+', left)
  local answer = { #found == left and found[#found][1] or '0-0', {}, 0 }
  for _, pending in ipairs(found) do
    local entry = take(stream, pending[1], pending[4])
    if entry then table.insert(answer[2], entry) else answer[3] = answer[3] + 1 end
  end
  answers[place] = answer
  left = left - #found
  answer[4] = mark(stream, KEYS[streams + place])
end
flush()
return answers
