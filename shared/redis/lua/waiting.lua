-- Part of heal.lua and nudge.lua. Whether any waiting entry in some places contains a text. The places are those of `waits.ts`.

-- Work behind so many entries is merely late.
local MAX_ENTRIES = 10000

local function anyHolds(texts, text)
  for _, one in ipairs(texts) do
    if string.find(one, text, 1, true) then return true end
  end
  return #texts >= MAX_ENTRIES
end

local function textsOf(entries)
  local texts = {}
  for place, entry in ipairs(entries) do texts[place] = table.concat(entry[2] or {}, ' ') end
  return texts
end

-- Unread entries first, then pending ones.
local function streamHolds(stream, group, text)
  if redis.call('EXISTS', stream) == 0 then return false end
  local last
  for _, flat in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local found = {}
    for at = 1, #flat, 2 do found[flat[at]] = flat[at + 1] end
    if found.name == group then last = found['last-delivered-id'] end
  end
  if anyHolds(textsOf(redis.call('XRANGE', stream, '(' .. (last or '0-0'), '+', 'COUNT', MAX_ENTRIES)), text) then return true end
  if not last then return false end
  local held = {}
  for place, pending in ipairs(redis.call('XPENDING', stream, group, '-', '+', MAX_ENTRIES)) do
    local entry = redis.call('XRANGE', stream, pending[1], pending[1])[1]
    held[place] = entry and table.concat(entry[2], ' ') or ''
  end
  return anyHolds(held, text)
end

-- `places` are {kind, group} in the order of the last KEYS.
local function isWaiting(places, text)
  local first = #KEYS - #places
  for at, place in ipairs(places) do
    local kind, group = unpack(place)
    local key = KEYS[first + at]
    if kind == 'stream' and streamHolds(key, group, text) then return true end
    if kind == 'delay' and anyHolds(redis.call('ZRANGE', key, 0, MAX_ENTRIES - 1), text) then return true end
    if kind == 'parked' and anyHolds(redis.call('LRANGE', key, 0, MAX_ENTRIES - 1), text) then return true end
  end
  return false
end
