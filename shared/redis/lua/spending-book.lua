-- Part of spending-reserve.lua, spending-sent.lua and spending-settle.lua. The form of a book of model spending.
--
-- Fields of the book (`BOOK`)
--   day:<day>      millionths of a dollar that settled calls cost on a day (UTC, counted from 1970)
--   call:<id>      a call: "state since day microUsd tokens". `held` counts until a minute after `since`, `sent` until it is settled
--   minute:<ms>    requests and tokens that count until then: "requests tokens"
--   ticket:<task>  a call that waits: "rank until microUsd tokens"; calls of a lower rank come first
--   refused        until when the last refused call waits, and for which limit

--@ clock.lua
--@ staged.lua

local key, id = KEYS[1], ARGV[4]
now = tonumber(ARGV[1]) or now
local limits = { requests = tonumber(ARGV[2]), tokens = tonumber(ARGV[3]) }
local dayMs, holdMs = 86400000, 60000
-- A host may see one request late and the next early: half a second apart.
local windowMs, sliceMs = 60500, 250

local function whole(value) return string.format('%.0f', value) end

local function bad(name) refuse('WRONGVALUE ' .. key .. ' holds no such value in ' .. name) end

local function amount(name, text) return tonumber(text) or bad(name) end

local function callOf(name, value)
  local state, since, day, microUsd, tokens = string.match(value, '^(%a+) (%d+) (%d+) (%d+) (%d+)$')
  local call = { state = state }
  call.since, call.day = amount(name, since), amount(name, day)
  call.microUsd, call.tokens = amount(name, microUsd), amount(name, tokens)
  call.isExpired = state == CALL_STATE.held and call.since + holdMs <= now
  return call
end

local function minuteOf(name, value)
  local requests, tokens = string.match(value, '^(%d+) (%d+)$')
  return amount(name, requests), amount(name, tokens)
end

-- This script's call, until it has ended.
local function ownCall()
  local value = get(key, BOOK.call .. id)
  return value and value ~= '' and callOf(BOOK.call .. id, value)
end

-- When the requests and tokens of a call end to count.
local function endOf(call)
  return (call.state == CALL_STATE.sent and call.since or now) + windowMs
end

local function keepCall(call)
  local words = { call.state, whole(call.since), whole(call.day), whole(call.microUsd), whole(call.tokens) }
  put(GUARDS, key, BOOK.call .. id, table.concat(words, ' '))
end

-- An ended call is emptied together with the writes that follow from it, and removed afterwards.
local function retire(name)
  put(GUARDS, key, name, '')
  stage(OVER, 'HDEL', key, name)
end

local function spend(day, microUsd)
  local name = BOOK.spent .. whole(day)
  if microUsd > 0 then put(GUARDS, key, name, whole(number(key, name) + microUsd)) end
end

local function keep()
  stage(OVER, 'EXPIRE', key, LIFETIME.spending)
  flush()
end
