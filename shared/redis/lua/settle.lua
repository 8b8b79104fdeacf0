-- Part of commit.lua. Steps that a run's counters make due, each once: its next page, its metrics, the release of its threads, its end.

-- Counted beside their guards, in the hash of the run's threads; the run shows copies.
local SHOWN = { 'threads', 'settled', 'tasks', 'unchanged', 'deleted', 'givenUp' }

-- Returns a run's fields as they will be, without its bookkeeping fields.
local function fieldsOf(key)
  local fields, held = {}, redis.call('HGETALL', key)
  for at = 1, #held, 2 do fields[held[at]] = held[at + 1] end
  for field, value in pairs(hashOf(key).now) do fields[field] = value or nil end
  for field in pairs(fields) do
    if string.find(field, '^window:') or string.find(field, '^cost:') then fields[field] = nil end
  end
  return fields
end

local function report(kind, run, key)
  local event = fieldsOf(key)
  event.event, event.run = kind, run.id
  events[#events + 1] = cjson.encode(event)
end

local function release(run, key)
  if get(key, 'releasing') then return end
  local count = number(key, 'releases') + 1
  put(GUARDS, key, 'releasing', count)
  put(GUARDS, key, 'releasedAt', now)
  put(GUARDS, key, 'releases', count)
  addNew(run.merged, run, run.id .. '/release/' .. count, { window = 'release', release = true })
end

-- Returns the envelope of a delayed entry, which follows its stream's key and a line feed.
local function envelopeIn(member)
  return string.sub(member, string.find(member, '\n', 1, true) + 1)
end

-- Starts the next run for changes that arrived during this one, with the named messages. It also serves a waiting look.
local function beginNext(run, isWanted)
  local mailbox, text = KEYS[run.mailbox], ARGV[run.again]
  prefetch(mailbox, { 'dirty', 'lookAfterRun', 'created', 'look' })
  local look = get(mailbox, 'lookAfterRun') and get(mailbox, 'look')
  if isWanted or get(mailbox, 'dirty') then
    local created = get(mailbox, 'created')
    if created then
      local envelope = decoded(text, mailbox)
      envelope.body.created = decoded(created, mailbox)
      text = cjson.encode(envelope)
      drop(mailbox, 'created')
    end
    put(GROUND, mailbox, 'asked', run.nextRun)
    add(run.pages.live, text)
  elseif look then
    add(run.pages.live, envelopeIn(look))
  end
  drop(mailbox, 'activeRun')
  drop(mailbox, 'lookAfterRun')
  drop(mailbox, 'dirty')
end

local function finish(run, key)
  local isNews = not get(key, 'endedAt')
  if isNews then
    -- Once: a run that a redrive reopens was checked before.
    if not get(key, 'alerts') then stage(CONTENT, 'ZADD', KEYS[run.ended], 'NX', now, run.id) end
    -- Only a finished run may be forgotten, and its deferred items still have to come back.
    if number(key, 'deferred') <= 0 then stage(WAITING, 'EXPIRE', key, plan.limits.keepSeconds) end
    stage(WAITING, 'EXPIRE', KEYS[run.fresh], plan.limits.keepSeconds)
    stage(WAITING, 'EXPIRE', KEYS[run.unsent], plan.limits.keepSeconds)
    put(GUARDS, key, 'endedAt', now)
    if not get(key, 'status') then put(GUARDS, key, 'status', 'done') end
    stage(LEAVING, 'DEL', KEYS[run.suspects])
    report('run-ended', run, key)
  end
  if get(KEYS[run.mailbox], 'activeRun') == run.id then beginNext(run) end
end

-- Returns whether a long run must emit its queued threads: once every period, and then all threads queued until then.
local function isOverdue(run, key)
  local first = firstWaiting(run)
  if not first then return false end
  if now - number(key, 'releasedAt') >= plan.limits.longRunMs then put(GUARDS, key, 'releaseUpTo', now) end
  return first <= number(key, 'releaseUpTo')
end

local function merge(run, key)
  if get(key, 'mergedAt') then return end
  local sum = 0
  for _, fate in ipairs(FATES) do sum = sum + number(key, fate) end
  put(GUARDS, key, 'mergedAt', now)
  put(GUARDS, key, 'addsUp', sum == number(key, 'listed') and '1' or '0')
  report('run-merged', run, key)
  local fields = {}
  for field, value in pairs(fieldsOf(key)) do
    fields[#fields + 1], fields[#fields + 2] = field, value
  end
  local listed, seconds = number(key, 'listed'), (now - number(key, 'startedAt')) / 1000
  for _, field in ipairs({
    'message_count', words(listed),
    'duration', string.format('%.3f', seconds),
    'messages_per_second', string.format('%.3f', seconds > 0 and listed / seconds or 0),
    'timestamp', string.format('%.3f', now / 1000),
  }) do fields[#fields + 1] = field end
  stage(CONTENT, 'XADD', KEYS[run.metrics], 'MAXLEN', '~', 1000, '*', 'run', run.id, unpack(fields))
end

local function settle(run)
  local key, fresh = KEYS[run.key], KEYS[run.fresh]
  prefetch(key, {
    'startedAt', 'opened', 'merged', 'grouped', 'next', 'listing', 'mergedAt', 'endedAt', 'releasing', 'releases', 'releasedAt', 'releaseUpTo', 'alerts',
    unpack(SHOWN),
  })
  prefetch(fresh, countersOf(SHOWN))
  for _, field in ipairs(SHOWN) do
    if get(fresh, counterOf(field)) then put(GUARDS, key, field, number(fresh, counterOf(field))) end
  end
  if not get(key, 'startedAt') then return end
  local opened, merged, grouped = number(key, 'opened'), number(key, 'merged'), number(key, 'grouped')
  local page = get(key, 'next')
  local next = page and decoded(page, key)
  -- Listed messages that are not grouped yet are not known, and would not be verified.
  local isEarly = next and next.body.page and next.body.page.verifyThen and grouped < opened
  if next and not isEarly and opened - merged < plan.limits.openWindows then
    drop(key, 'next')
    add(run.pages[next.lane], page)
  end
  local listed = get(key, 'listing') == 'done'
  if listed and merged >= opened then merge(run, key) end
  local waiting = countWaiting(run)
  -- More may be grouped than was opened: a redriven window is grouped again.
  local isDone = listed and grouped >= opened
  if not isDone and get(key, 'endedAt') then drop(key, 'endedAt') end
  if isDone then
    if waiting > 0 then release(run, key) else finish(run, key) end
  elseif isOverdue(run, key) then
    release(run, key)
  end
end
