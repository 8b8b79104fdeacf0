#!lua
-- Hands work over: acknowledges inputs and, for each that was still ours, writes what follows from it. All or nothing per input.
--
-- KEYS     every key that is touched, each of the type named at the same place in plan.types
-- ARGV[1]  plan: {now, group, types, inputs: [[key, entryId, run or 0]], of: {key, mailbox, run} or nothing where no input could be read,
--          outputs: [[input, key, arg]], delays: [[input, key, dueMs, arg]], parked: [[input, list, arg, events, reason]],
--          held: [[input, list, arg, run id, 1 if one such is enough]], dead: [[input, key, arg, stage, stream, kind, message, 1 if unread]],
--          counts: [[input, run, field, by]],
--          facts: [{fact, input, run, …}], runs: [{…}], limits: {…}}; places count from 1
-- ARGV[n]  envelopes, as their place in the plan names them
-- Result   {one 1 or 0 an input (0: it was not ours any more, or its run is not begun here), one JSON text an event}

local plan = cjson.decode(ARGV[1])
local events = {}

-- There is no rollback: a wrong type found after XACK would lose the entry.
for place, expected in ipairs(plan.types) do
  local actual = redis.call('TYPE', KEYS[place]).ok
  if actual ~= 'none' and actual ~= expected then
    return redis.error_reply('WRONGTYPE ' .. KEYS[place] .. ' holds a ' .. actual .. ' and should hold a ' .. expected)
  end
end

local function add(place, text)
  redis.call('XADD', KEYS[place], '*', 'envelope', text)
end

local function addNew(place, run, id, body)
  local head = run.head
  add(place, cjson.encode({
    v = 1, id = id, run = run.id, mailbox = head.mailbox, at = plan.now, attempt = 0,
    lane = head.lane, trace = head.trace, replayOf = head.replayOf, body = body,
  }))
end

local function number(key, field)
  return tonumber(redis.call('HGET', key, field) or 0)
end

--@ settle.lua
--@ facts.lua

--@ standing.lua

-- A run is begun before it is listed. A server that took over meanwhile may never have heard of it: the input then stays pending, and
-- after a lease it begins the run once more. Committed, what it listed would belong to a run that nothing ends.
local unbegun = {}
for _, fact in ipairs(plan.facts) do
  if fact.begins and redis.call('HEXISTS', KEYS[plan.runs[fact.run].key], 'startedAt') == 0 then unbegun[fact.input] = true end
end

local mine, acked, dropped = {}, {}, 0
for place, input in ipairs(plan.inputs) do
  local leftOver = isLeftOver(input)
  local ours = (leftOver or not unbegun[place]) and redis.call('XACK', KEYS[input[1]], plan.group, input[2]) == 1
  acked[place] = ours and 1 or 0
  mine[place] = ours and not leftOver
  if ours and leftOver then
    drop(input)
    dropped = dropped + 1
  end
end
if dropped > 0 then tellOfMailbox('entries-dropped', { entries = tostring(dropped) }) end
for _, out in ipairs(plan.outputs) do
  if mine[out[1]] then add(out[2], ARGV[out[3]]) end
end
for _, delay in ipairs(plan.delays) do
  if mine[delay[1]] then redis.call('ZADD', KEYS[delay[2]], delay[3], ARGV[delay[4]]) end
end
for _, parked in ipairs(plan.parked) do
  if mine[parked[1]] then park(parked) end
end
for _, held in ipairs(plan.held) do
  if mine[held[1]] then hold(held) end
end
for _, dead in ipairs(plan.dead) do
  if mine[dead[1]] then
    local unread = dead[8] == 1 and { 'unread', '1' } or {}
    redis.call('XADD', KEYS[dead[2]], '*', 'envelope', ARGV[dead[3]], 'stage', dead[4], 'stream', dead[5], 'kind', dead[6], 'message', dead[7], 'at', plan.now, unpack(unread))
  end
end
for _, count in ipairs(plan.counts) do
  local key = KEYS[plan.runs[count[2]].key]
  if mine[count[1]] and redis.call('HEXISTS', key, 'startedAt') == 1 then redis.call('HINCRBY', key, count[3], count[4]) end
end
local touched = {}
for _, fact in ipairs(plan.facts) do
  if mine[fact.input] then
    local run = plan.runs[fact.run]
    apply[fact.fact](fact, run, KEYS[run.key])
    touched[fact.run] = true
  end
end
for place in pairs(touched) do settle(plan.runs[place]) end
return { acked, events }
