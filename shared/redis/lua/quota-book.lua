-- Part of quota-reserve.lua and quota-settle.lua. Reads a quota's book in its current state.
--
-- Fields of the book (`QUOTA`)
--   spent:<ms>   units that count until then
--   lease:<id>   requests in flight: "ends since units requests"; an unsettled lease counts as sent in its last moment
--   places       concurrent requests that the provider accepts; narrowedAt: when it last refused more, which holds for a day
--   share        our known share of the limit, at refusedAt: when the provider last said that the limit was spent
--   refusals     how often it said so since it last served us; pausedUntil: nothing is sent before

--@ clock.lua
--@ staged.lua

local key, window = KEYS[1], tonumber(ARGV[2])
local limit, places, narrowMs = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
now = tonumber(ARGV[1]) or now
-- Units are recorded for a slice of the window, so that the book stays small however many requests there are.
local slice = math.max(1, math.floor(window / 240))
local keepWindows = 60

local function whole(value) return string.format('%.0f', value) end

local book = { used = 0, spent = {}, leases = {} }

local function spend(at, units)
  local ends = math.ceil((at + window) / slice) * slice
  if units <= 0 or ends <= now then return end
  local field = QUOTA.spent .. whole(ends)
  put(GUARDS, key, field, number(key, field) + units)
  book.used = book.used + units
  book.spent[#book.spent + 1] = { ends = ends, units = units }
end

-- An expired field is emptied together with the writes that follow from it, and removed afterwards.
local function retire(name)
  put(GUARDS, key, name, '')
  stage(OVER, 'HDEL', key, name)
end

local function amount(text, name)
  return tonumber(text) or refuse('WRONGVALUE ' .. key .. ' holds no number in ' .. name)
end

local late = {}
for name, value in pairs(getAll(key)) do
  local kind, rest = string.match(name, '^(%a+:)(.+)$')
  if value == '' then
    retire(name)
  elseif kind == QUOTA.spent then
    local ends, units = amount(rest, name), amount(value, name)
    if ends <= now then
      stage(OVER, 'HDEL', key, name)
    else
      book.used = book.used + units
      book.spent[#book.spent + 1] = { ends = ends, units = units }
    end
  elseif kind == QUOTA.lease then
    local ends, since, units, requests = string.match(value, '^(%d+) (%d+) (%d+) (%d+)$')
    if not ends then refuse('WRONGVALUE ' .. key .. ' holds no lease in ' .. name) end
    local lease = { ends = tonumber(ends), since = tonumber(since), units = tonumber(units), requests = tonumber(requests) }
    if lease.ends <= now then
      retire(name)
      late[#late + 1] = lease
    else
      book.leases[rest] = lease
      book.used = book.used + lease.units
    end
  else
    book[name] = amount(value, name)
  end
end
for _, lease in ipairs(late) do spend(lease.ends, lease.units) end

-- After a refusal the share shrinks and grows again: slowly at first, because other clients continue to spend, then ever faster. It is
-- whole after five minutes, whatever the provider's window: one stray refusal must not slow us for longer.
local growMs = math.min(window, 60000)

local function shareNow()
  if not book.refusedAt then return 1 end
  local minutes = (now - book.refusedAt) / growMs
  return math.min(1, (book.share or 1) + 0.04 * minutes * minutes)
end

local narrowUntil = (book.narrowedAt or -narrowMs) + narrowMs
if book.places and narrowUntil > now then places = math.min(places, math.max(1, math.floor(book.places))) end

-- A pause and a learned concurrency may outlast everything else in the book.
local function keep()
  local ends = math.max(book.pausedUntil or 0, narrowUntil)
  stage(OVER, 'PEXPIRE', key, whole(math.max(window * keepWindows, ends - now)))
  flush()
end
