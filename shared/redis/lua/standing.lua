-- Part of commit.lua. What becomes of inputs whose mailbox was removed, is paused, or waits for its account.

local of = plan.of
local isKnown = of and redis.call('HEXISTS', KEYS[of.key], 'connectedAt') == 1
local since = isKnown and tonumber(redis.call('HGET', KEYS[of.key], 'since') or 0)

local function tellOfMailbox(kind, more)
  local event = { event = kind, run = of.run, mailbox = of.mailbox }
  for field, value in pairs(more) do event[field] = value end
  events[#events + 1] = cjson.encode(event)
end

-- Its mailbox was removed after it was written; one of the same name that was connected later is another.
local function isLeftOver(input)
  if not of then return false end
  return not isKnown or tonumber(string.match(input[2], '^%d+')) < since
end

-- What was acknowledged by its only group may be deleted: no count of what waits goes wrong by it.
local function drop(input)
  redis.call('XDEL', KEYS[input[1]], input[2])
  local run = plan.runs[input[3]]
  if not isKnown or not run or redis.call('HGET', KEYS[of.key], 'activeRun') ~= run.id then return end
  -- It became the active run of a mailbox it is none of.
  redis.call('DEL', KEYS[run.key])
  redis.call('HDEL', KEYS[of.key], 'activeRun')
  -- Events beside it were to be answered by that run: one that is theirs begins.
  if #plan.inputs > 1 then redis.call('HSET', KEYS[of.key], 'dirty', '1') end
  beginNext(run)
end

local function park(parked)
  local mailbox, reason = KEYS[of.key], parked[5]
  redis.call('RPUSH', KEYS[parked[2]], ARGV[parked[3]])
  local before = redis.call('HGET', mailbox, 'status')
  redis.call('HSET', mailbox, 'status', 'needs-reauth', 'statusReason', reason, 'statusAt', plan.now)
  if before == 'needs-reauth' then return end
  tellOfMailbox('needs-reauth', { reason = reason })
  redis.call('XADD', KEYS[parked[4]], 'MAXLEN', '~', 1000, '*', 'event', 'needs-reauth', 'mailbox', of.mailbox, 'at', plan.now, 'reason', reason)
end

local function hold(held)
  local mailbox, member, run, oneIsEnough = KEYS[of.key], ARGV[held[3]], held[4], held[5] == 1
  if redis.call('HEXISTS', mailbox, 'pausedAt') == 0 then
    -- It was resumed meanwhile.
    local cut = string.find(member, '\n', 1, true)
    add(plan.inputs[held[1]][1], string.sub(member, cut + 1))
  elseif not oneIsEnough or redis.call('HGET', mailbox, 'activeRun') == run or redis.call('HSETNX', mailbox, 'heldEvent', '1') == 1 then
    redis.call('RPUSH', KEYS[held[2]], member)
  end
end
