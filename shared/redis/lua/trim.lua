-- Trims streams behind all of their groups: keeps every entry that some group has not acknowledged or that is younger than the retention.
-- A stream without any group keeps everything, or where `unreadMs` says so, what is younger than that.
-- No `#!lua` line: a server that is out of memory would refuse the script, and this one frees memory.
--
-- KEYS    streams of one partition
-- ARGV    retention (ms), then for each stream, as JSON, {groups = the groups that must exist before it is trimmed,
--         unreadMs = how long entries stay without any group, or nothing}
-- Result  {entries removed, {{place of the stream, group, age (ms) of the oldest entry it keeps}…}: unexpected groups that keep
--         entries beyond the retention}

--@ clock.lua
--@ staged.lua
--@ progress.lua

local function idOf(age) return string.format('%.0f-0', math.max(0, now - age)) end

local cutoff = idOf(ARGV[1])
local trims, held = {}, {}

for place, stream in ipairs(KEYS) do
  if redis.call('TYPE', stream).ok == 'stream' then
    local groups = groupsOf(stream)
    local wanted = cjson.decode(ARGV[place + 1])
    local floor, expected, absent = cutoff, {}, 0
    for _, name in ipairs(wanted.groups) do
      expected[name] = true
      absent = absent + 1
    end
    for _, group in ipairs(groups) do
      local needed = firstNeeded(stream, group)
      if expected[group.name] then
        absent = absent - 1
      elseif before(needed, cutoff) then
        local kept = redis.call('XRANGE', stream, needed, '(' .. cutoff, 'COUNT', 1)[1]
        if kept then held[#held + 1] = { place, group.name, now - tonumber(string.match(kept[1], '^%d+')) } end
      end
      if before(needed, floor) then floor = needed end
    end
    -- Without any group all entries are unread.
    if #groups == 0 and wanted.unreadMs then floor = idOf(math.max(ARGV[1], wanted.unreadMs)) end
    if absent == 0 and (#groups > 0 or wanted.unreadMs) then trims[#trims + 1] = stage(OVER, 'XTRIM', stream, 'MINID', '~', floor) end
  end
end
flush()
local removed = 0
for _, trim in ipairs(trims) do removed = removed + trim.answer end
return { removed, held }
