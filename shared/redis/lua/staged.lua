-- Part of every script that writes. A script has three parts. It reads, computes and stages its writes; it checks that Redis will accept
-- all of them; then it writes, phase by phase. Any problem found before refuses the script with nothing written. After a failure between
-- two writes, the script is repeated from the start. So each phase writes only what later phases guard, and inputs are acknowledged last.
--
--   stage(phase, command…)               adds a command to a phase; returns it, with its `answer` once it was run. It may be made
--                                        `isOptional`: then it may fail, and is not checked
--   get, getAll, put, drop, clear        fields of hashes, as they will be once everything staged is written
--   lastId(stream), isThere(stream, id, such)   to announce an entry, and to find it when the script is repeated
--   expect(key, type)                    refuses a key of another type, where nothing else reads it
--   refuse(text)                         ends the script with nothing written
--   flush()                              checks, then writes; nothing is read or staged after it

-- The phases: state needed before any announcement; the announcements; marks that this was done; lists of waiting work; removals that
-- follow; counters with the guards that all of that is done; finished state; acknowledgements; optional writes. A write after the guards
-- must follow from the stored state when the script is repeated.
local GROUND, CONTENT, MARKS, WAITING, LEAVING, GUARDS, OVER, ACKNOWLEDGED, AFTER = 1, 2, 3, 4, 5, 6, 7, 8, 9

local EXHAUSTED = '18446744073709551615-18446744073709551615'
local TYPES = {
  HSET = 'hash', HDEL = 'hash', HINCRBY = 'hash', ZADD = 'zset', ZREM = 'zset', ZREMRANGEBYRANK = 'zset', RPUSH = 'list', LTRIM = 'list',
  SADD = 'set', SREM = 'set', XADD = 'stream', XDEL = 'stream', XTRIM = 'stream',
}

local phases, typeOf, lastIds = {}, {}, {}

local function refuse(text) error(text, 0) end

-- An entry's own fields are read by anyone, so they must hold no control characters: C0, DEL, and C1 in UTF-8.
local function withoutControls(value)
  if type(value) ~= 'string' or not string.find(value, '[%c\194]') then return value end
  return (string.gsub(string.gsub(value, '%c', ' '), '\194[\128-\159]', ' '))
end

-- The fields of an entry follow its id. An envelope is JSON, which is already escaped.
local function cleanFields(command)
  local at = 3
  while command[at] ~= '*' do at = at + 1 end
  for field = at + 1, #command, 2 do
    if command[field] ~= ENTRY.envelope then command[field + 1] = withoutControls(command[field + 1]) end
  end
end

local function stage(phase, ...)
  local commands = phases[phase] or {}
  phases[phase] = commands
  local command = { ... }
  if command[1] == 'XADD' then cleanFields(command) end
  commands[#commands + 1] = command
  return command
end

--@ fields.lua

-- Returns the last id of a stream, which every later entry exceeds; a stream whose ids are used up accepts no entry.
local function lastId(key)
  if lastIds[key] then return lastIds[key] end
  local last, info = '0-0', redis.pcall('XINFO', 'STREAM', key)
  if info.err then
    local isMissing = string.find(info.err, 'no such key', 1, true)
    if not isMissing and not string.find(info.err, 'WRONGTYPE', 1, true) then refuse(info.err) end
  else
    typeOf[key] = 'stream'
    for at = 1, #info, 2 do
      if info[at] == 'last-generated-id' then last = info[at + 1] end
    end
  end
  lastIds[key] = last
  return last
end

-- Returns whether a stream has such an entry after that id, from a failed attempt.
local function isThere(stream, after, isSuch)
  repeat
    local page = redis.call('XRANGE', stream, '(' .. after, '+', 'COUNT', 100)
    for _, entry in ipairs(page) do
      after = entry[1]
      if isSuch(entry[2]) then return true end
    end
  until #page < 100
  return false
end

local function expect(key, wanted)
  if typeOf[key] == wanted then return end
  local actual = redis.call('TYPE', key).ok
  if actual ~= 'none' and actual ~= wanted then
    refuse('WRONGTYPE ' .. key .. ' holds a ' .. actual .. ' and should hold a ' .. wanted)
  end
  typeOf[key] = wanted
end

local function checkKey(name, key)
  if name == 'XADD' and lastId(key) == EXHAUSTED then refuse('EXHAUSTED ' .. key .. ' has no id left for another entry') end
  if TYPES[name] then expect(key, TYPES[name]) end
end

local function flush()
  stageHashes()
  local asked = {}
  for phase = GROUND, AFTER do
    for _, command in ipairs(phases[phase] or {}) do
      local name, key = command[1], command[2]
      if not command.isOptional then checkKey(name, key) end
      if redis.acl_check_cmd and not asked[name] and not command.isOptional then
        asked[name] = true
        if not redis.acl_check_cmd(unpack(command)) then refuse('NOPERM this user may not run ' .. name) end
      end
    end
  end
  for phase = GROUND, AFTER do
    for _, command in ipairs(phases[phase] or {}) do
      local give = command.isOptional and redis.pcall or redis.call
      command.answer = give(unpack(command))
    end
  end
end
