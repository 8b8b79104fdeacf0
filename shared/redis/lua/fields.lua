-- Part of staged.lua. Fields of hashes as they will be once everything staged is written. Fields put in one phase are written with one
-- command a hash, so they change together.

local hashes, order = {}, {}

local function words(value)
  return type(value) == 'number' and string.format('%.17g', value) or value
end

local function hashOf(key)
  local hash = hashes[key]
  if not hash then
    hash = { key = key, held = {}, now = {}, puts = {}, drops = {} }
    hashes[key] = hash
    order[#order + 1] = hash
  end
  return hash
end

-- Reads several fields at once for later single reads.
local function prefetch(key, fields)
  local hash, missing = hashOf(key), {}
  if hash.cleared then return end
  for _, field in ipairs(fields) do
    if hash.held[field] == nil then
      if hash.isWhole then hash.held[field] = false else missing[#missing + 1] = field end
    end
  end
  for first = 1, #missing, LIMIT.words do
    local last = math.min(first + LIMIT.words - 1, #missing)
    local values = redis.call('HMGET', key, unpack(missing, first, last))
    for at = first, last do hash.held[missing[at]] = values[at - first + 1] end
  end
  if #missing > 0 then typeOf[key] = 'hash' end
end

local function get(key, field)
  local hash = hashOf(key)
  local staged = hash.now[field]
  if staged ~= nil then return staged end
  if hash.cleared then return false end
  if hash.held[field] == nil then prefetch(key, { field }) end
  return hash.held[field]
end

local function put(phase, key, field, value)
  local hash = hashOf(key)
  value = words(value)
  local known = hash.now[field]
  if known == nil and not hash.cleared then known = hash.held[field] end
  if known == value then return end
  hash.now[field] = value
  hash.drops[field] = nil
  hash.puts[phase] = hash.puts[phase] or {}
  hash.puts[phase][field] = value
end

-- Removes a field, in the phase OVER by default.
local function drop(key, field, phase)
  local hash = hashOf(key)
  if not get(key, field) then return end
  hash.now[field] = false
  for _, fields in pairs(hash.puts) do fields[field] = nil end
  if hash.held[field] ~= false then hash.drops[field] = phase or OVER end
end

-- Empties a whole hash.
local function clear(key)
  local hash = hashOf(key)
  hash.cleared, hash.now, hash.puts, hash.drops = true, {}, {}, {}
end

-- Reads a whole hash and returns its fields.
local function getAll(key)
  local hash, fields = hashOf(key), redis.call('HGETALL', key)
  for at = 1, #fields, 2 do hash.held[fields[at]] = fields[at + 1] end
  hash.isWhole, typeOf[key] = true, 'hash'
  return hash.held
end

local function number(key, field)
  local text = get(key, field)
  if not text then return 0 end
  return tonumber(text) or refuse('WRONGVALUE ' .. key .. ' holds no number in ' .. field)
end

local function decoded(text, key)
  local isJson, value = pcall(cjson.decode, text)
  if not isJson then refuse('WRONGVALUE ' .. key .. ' holds what is no JSON') end
  return value
end

local function stageHashes()
  for _, hash in ipairs(order) do
    if hash.cleared then stage(GROUND, 'DEL', hash.key) end
  end
  for _, hash in ipairs(order) do
    for phase, fields in pairs(hash.puts) do
      local command = { 'HSET', hash.key }
      for field, value in pairs(fields) do
        command[#command + 1], command[#command + 2] = field, value
        if #command > LIMIT.words then
          stage(phase, unpack(command))
          command = { 'HSET', hash.key }
        end
      end
      if #command > 2 then stage(phase, unpack(command)) end
    end
    local removals = {}
    for field, phase in pairs(hash.drops) do
      local command = removals[phase] or { 'HDEL', hash.key }
      removals[phase] = command
      command[#command + 1] = field
      if #command > LIMIT.words then
        stage(phase, unpack(command))
        removals[phase] = nil
      end
    end
    for phase, command in pairs(removals) do stage(phase, unpack(command)) end
  end
end
