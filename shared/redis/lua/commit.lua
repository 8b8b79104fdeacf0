#!lua
-- Commits work: for each input pending for this consumer, writes its effects, then acknowledges it. Safe to repeat after any failure:
-- entries may be written twice, a task never, and every count stays right.
--
-- KEYS     every key that is touched
-- ARGV[1]  plan: {group, consumer, inputs: [[key, entryId, run or 0, key of its run or 0]], of: {key, mailbox, run} or nothing where no
-- input
--          could be read, outputs: [[input, key, arg]], delays: [[input, key, ms from now, arg, run]],
--          waits: [[input, run, from, until: ms from now]], parked: [[input, list, arg, events, reason]],
--          held: [[input, list, arg, run id, 1 if one such is enough]], dead: [[input, key, arg, stage, stream, kind, message, 1 if unread]],
--          counts: [[input, run, field, by]],
--          facts: [{fact, input, run, …}], runs: [{…}], longRunMs, messageSeconds}; places count from 1
-- ARGV[n]  envelopes, which the plan names by place
-- Result   {a 1 or 0 for each input (0: it was no longer ours, or its run has not begun here), a JSON text for each event}

--@ clock.lua
--@ staged.lua

local plan = cjson.decode(ARGV[1])
local events = {}

local function add(place, text)
  stage(CONTENT, 'XADD', KEYS[place], '*', ENTRY.envelope, text)
end

local function addNew(place, run, id, body)
  local head = run.head
  add(place, cjson.encode({
    v = 1, id = id, run = run.id, mailbox = head.mailbox, at = now, attempt = 0,
    lane = head.lane, trace = head.trace, replayOf = head.replayOf, body = body,
  }))
end

-- Changes a run's counter; the new value is written together with its guard.
local function count(key, field, by)
  if by ~= 0 then put(GUARDS, key, field, number(key, field) + by) end
end

local apply = {}
--@ threads.lua
--@ merged.lua
--@ windows.lua
--@ settle.lua
--@ facts.lua
--@ standing.lua
--@ abandoned.lua

-- A run begins before it is listed. A server that took over meanwhile may not have that write: the input then stays pending, and after a
-- lease it begins the run again. If it were committed, its listing would belong to a run that nothing ends.
local unbegun = {}
for _, fact in ipairs(plan.facts) do
  if fact.begins and not get(KEYS[plan.runs[fact.run].key], RUN.startedAt) then unbegun[fact.input] = true end
end

local function isPending(input)
  return redis.call('XPENDING', KEYS[input[1]], plan.group, input[2], input[2], 1, plan.consumer)[1] ~= nil
end

local mine, acked, leftOvers, done = {}, {}, {}, {}
for place, input in ipairs(plan.inputs) do
  local leftOver, abandoned = isLeftOver(input), isAbandoned(input)
  local ours = (leftOver or abandoned or not unbegun[place]) and isPending(input)
  acked[place] = ours and 1 or 0
  mine[place] = ours and not leftOver and not abandoned
  if ours then
    done[input[1]] = done[input[1]] or {}
    table.insert(done[input[1]], input[2])
    if leftOver then leftOvers[#leftOvers + 1] = input end
  end
end
for _, input in ipairs(leftOvers) do dropInput(input) end
if #leftOvers > 0 then reportForMailbox('entries-dropped', { entries = tostring(#leftOvers) }) end
for _, out in ipairs(plan.outputs) do
  if mine[out[1]] then add(out[2], ARGV[out[3]]) end
end
for _, delay in ipairs(plan.delays) do
  if mine[delay[1]] then stage(CONTENT, 'ZADD', KEYS[delay[2]], now + delay[3], ARGV[delay[4]]) end
end
for _, parked in ipairs(plan.parked) do
  if mine[parked[1]] then park(parked) end
end
for _, held in ipairs(plan.held) do
  if mine[held[1]] then parkHeld(held) end
end
for _, dead in ipairs(plan.dead) do
  if mine[dead[1]] then deadLetter(dead) end
end

-- The cost of a batch is counted under its first input, which stays marked until it is acknowledged.
local costs = {}
for _, cost in ipairs(plan.counts) do
  local input, key = plan.inputs[cost[1]], KEYS[plan.runs[cost[2]].key]
  local mark = RUN.cost .. plan.group .. ':' .. input[2]
  if mine[cost[1]] and get(key, RUN.startedAt) and (costs[mark] or not get(key, mark)) then
    costs[mark] = key
    count(key, cost[3], cost[4])
    put(GUARDS, key, mark, '1')
  end
end
for mark, key in pairs(costs) do stage(AFTER, 'HDEL', key, mark) end

-- Rate-limit waits, as one length of time: overlaps count once, and repeating adds nothing.
for _, wait in ipairs(plan.waits) do
  local key = KEYS[plan.runs[wait[2]].key]
  if mine[wait[1]] and get(key, RUN.startedAt) then
    local from, upTo = math.max(now + wait[3], number(key, RUN.waitedUntil)), now + wait[4]
    if upTo > from then
      put(GUARDS, key, RUN.waitedMs, number(key, RUN.waitedMs) + upTo - from)
      put(GUARDS, key, RUN.waitedUntil, upTo)
    end
  end
end

local touched = {}
-- A run may become overdue while its last work is retried.
for _, delay in ipairs(plan.delays) do
  if mine[delay[1]] then touched[delay[5]] = true end
end
for _, fact in ipairs(plan.facts) do
  if mine[fact.input] then
    local run = plan.runs[fact.run]
    apply[fact.fact](fact, run, KEYS[run.key])
    touched[fact.run] = true
  end
end
for place in pairs(touched) do
  settle(plan.runs[place])
  stageThreads(plan.runs[place])
end

for place, ids in pairs(done) do
  for first = 1, #ids, LIMIT.words do
    stage(ACKNOWLEDGED, 'XACK', KEYS[place], plan.group, unpack(ids, first, math.min(first + LIMIT.words - 1, #ids)))
  end
end
flush()
return { acked, events }
