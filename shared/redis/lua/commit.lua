#!lua
-- Commits work: for each input pending for this consumer, writes its effects, then acknowledges it. Safe to repeat after any failure:
-- entries may be written twice, a task never, and every count stays right.
--
-- KEYS     every key that is touched
-- ARGV[1]  plan: {group, consumer, longRunMs, messageSeconds, tasksPerRun?: the most tasks of a run, of?: {key, mailbox, run} where an input could be read,
--          inputs: [{key, entry: its id, runKey?, begun?: its run, where a run begins with it}], runs: [{…}], facts: [{fact, input, run, …}],
--          outputs: [{input, key, text}], delays: [{input, run, key, text, inMs}], waits: [{input, run, from, upTo: ms from now}],
--          parked: [{input, list, text, events, reason}], paused: [{input, list, text, run: its id, oneIsEnough}],
--          dead: [{input, key, text, stream, kind, message, unread}], cost?: {input, run, by: {field: number}}}
--          `input`, `run`, keys, lists and texts are places in `inputs`, `runs`, KEYS and ARGV, counted from 1
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
    lane = head.lane, replayOf = head.replayOf, body = body,
  }))
end

-- Changes a run's counter; the new value is written together with its guard.
local function count(key, field, by)
  if by ~= 0 then put(GUARDS, key, field, number(key, field) + by) end
end

local apply = {}
--@ threads.lua
--@ dispatch.lua
--@ merged.lua
--@ windows.lua
--@ settle.lua
--@ facts.lua
--@ mailbox-gate.lua
--@ abandoned.lua

-- A run begins before it is listed. A server that took over meanwhile may not have that write: the input then stays pending, and after a
-- lease it begins the run again. If it were committed, its listing would belong to a run that nothing ends.
local unbegun = {}
for _, fact in ipairs(plan.facts) do
  if fact.begins and not get(KEYS[plan.runs[fact.run].key], RUN.startedAt) then unbegun[fact.input] = true end
end

local function isPending(input)
  return redis.call('XPENDING', KEYS[input.key], plan.group, input.entry, input.entry, 1, plan.consumer)[1] ~= nil
end

local mine, acked, leftOvers, done = {}, {}, {}, {}
for place, input in ipairs(plan.inputs) do
  local leftOver, abandoned = isLeftOver(input), isAbandoned(input)
  local ours = (leftOver or abandoned or not unbegun[place]) and isPending(input)
  acked[place] = ours and 1 or 0
  mine[place] = ours and not leftOver and not abandoned
  if ours then
    done[input.key] = done[input.key] or {}
    table.insert(done[input.key], input.entry)
    if leftOver then leftOvers[#leftOvers + 1] = input end
  end
end
for _, input in ipairs(leftOvers) do dropInput(input) end
if #leftOvers > 0 then reportForMailbox('entries-dropped', { entries = tostring(#leftOvers) }) end
for _, out in ipairs(plan.outputs) do
  if mine[out.input] then add(out.key, ARGV[out.text]) end
end
for _, delay in ipairs(plan.delays) do
  if mine[delay.input] then stage(CONTENT, 'ZADD', KEYS[delay.key], now + delay.inMs, ARGV[delay.text]) end
end
for _, parked in ipairs(plan.parked) do
  if mine[parked.input] then park(parked) end
end
for _, paused in ipairs(plan.paused) do
  if mine[paused.input] then parkPaused(paused) end
end
for _, dead in ipairs(plan.dead) do
  if mine[dead.input] then deadLetter(dead) end
end

-- The cost of a batch is counted under its first input, which stays marked until it is acknowledged.
local cost = plan.cost
if cost and mine[cost.input] then
  local key, mark = KEYS[plan.runs[cost.run].key], RUN.cost .. plan.group .. ':' .. plan.inputs[cost.input].entry
  if get(key, RUN.startedAt) and not get(key, mark) then
    for field, by in pairs(cost.by) do count(key, field, by) end
    put(GUARDS, key, mark, '1')
    stage(AFTER, 'HDEL', key, mark)
  end
end

-- Rate-limit waits, as one length of time: overlaps count once, and repeating adds nothing.
for _, wait in ipairs(plan.waits) do
  local key = KEYS[plan.runs[wait.run].key]
  if mine[wait.input] and get(key, RUN.startedAt) then
    local from, upTo = math.max(now + wait.from, number(key, RUN.waitedUntil)), now + wait.upTo
    if upTo > from then
      put(GUARDS, key, RUN.waitedMs, number(key, RUN.waitedMs) + upTo - from)
      put(GUARDS, key, RUN.waitedUntil, upTo)
    end
  end
end

local touched = {}
-- A run may become overdue while its last work is retried.
for _, delay in ipairs(plan.delays) do
  if mine[delay.input] then touched[delay.run] = true end
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
