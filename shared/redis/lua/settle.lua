-- Part of commit.lua. Steps that a run's counters make due, each once: its next page, its metrics, the release of its threads, its end.

-- Counted beside their guards, in the hash of the run's threads; the run shows copies.
local SHOWN = LIST.threadCounters

-- Returns a run's fields as they will be, without its bookkeeping fields.
local function fieldsOf(key)
  local fields, held = {}, redis.call('HGETALL', key)
  for at = 1, #held, 2 do fields[held[at]] = held[at + 1] end
  for field, value in pairs(hashOf(key).now) do fields[field] = value or nil end
  for field in pairs(fields) do
    if string.find(field, '^' .. RUN.window) or string.find(field, '^' .. RUN.cost) then fields[field] = nil end
  end
  return fields
end

local function report(kind, run, key)
  local event = fieldsOf(key)
  event.event, event.run = kind, run.id
  events[#events + 1] = cjson.encode(event)
end

local function release(run, key)
  if get(key, RUN.releasing) then return end
  local count = number(key, RUN.releases) + 1
  put(GUARDS, key, RUN.releasing, count)
  put(GUARDS, key, RUN.releasedAt, now)
  put(GUARDS, key, RUN.releases, count)
  addNew(run.merged, run, run.id .. '/release/' .. count, { window = 'release', release = true })
end

-- Returns the envelope of a delayed entry, which follows its stream's key and a line feed.
local function envelopeIn(member)
  return string.sub(member, string.find(member, '\n', 1, true) + 1)
end

-- Starts the next run for changes that arrived during this one, with the named messages. It also serves a waiting look.
local function beginNext(run, isWanted)
  local mailbox, text = KEYS[run.mailbox], ARGV[run.again]
  prefetch(mailbox, { MAILBOX.dirty, MAILBOX.lookAfterRun, MAILBOX.created, MAILBOX.look })
  local look = get(mailbox, MAILBOX.lookAfterRun) and get(mailbox, MAILBOX.look)
  if isWanted or get(mailbox, MAILBOX.dirty) then
    local created = get(mailbox, MAILBOX.created)
    if created then
      local envelope = decoded(text, mailbox)
      envelope.body.created = decoded(created, mailbox)
      text = cjson.encode(envelope)
      drop(mailbox, MAILBOX.created)
    end
    put(GROUND, mailbox, MAILBOX.asked, run.nextRun)
    add(run.pages.live, text)
  elseif look then
    add(run.pages.live, envelopeIn(look))
  end
  drop(mailbox, MAILBOX.activeRun)
  drop(mailbox, MAILBOX.lookAfterRun)
  drop(mailbox, MAILBOX.dirty)
end

local function finish(run, key)
  local isNews = not get(key, RUN.endedAt)
  if isNews then
    -- Once: a run that a redrive reopens was checked before.
    if not get(key, RUN.alerts) then stage(CONTENT, 'ZADD', KEYS[run.ended], 'NX', now, run.id) end
    -- Only a finished run may be forgotten, and its deferred items still have to come back.
    if number(key, RUN.deferred) <= 0 then stage(WAITING, 'EXPIRE', key, LIFETIME.run) end
    stage(WAITING, 'EXPIRE', KEYS[run.fresh], LIFETIME.run)
    stage(WAITING, 'EXPIRE', KEYS[run.unsent], LIFETIME.run)
    put(GUARDS, key, RUN.endedAt, now)
    if not get(key, RUN.status) then put(GUARDS, key, RUN.status, RUN_STATUS.done) end
    stage(LEAVING, 'DEL', KEYS[run.suspects])
    report('run-ended', run, key)
  end
  if get(KEYS[run.mailbox], MAILBOX.activeRun) == run.id then beginNext(run) end
end

-- Returns whether a long run must emit its queued threads: once every period, and then all threads queued until then.
local function isOverdue(run, key)
  local first = firstWaiting(run)
  if not first then return false end
  if now - number(key, RUN.releasedAt) >= plan.longRunMs then put(GUARDS, key, RUN.releaseUpTo, now) end
  return first <= number(key, RUN.releaseUpTo)
end

local function merge(run, key)
  if get(key, RUN.mergedAt) then return end
  local sum = 0
  for _, fate in ipairs(FATES) do sum = sum + number(key, fate) end
  put(GUARDS, key, RUN.mergedAt, now)
  put(GUARDS, key, RUN.addsUp, sum == number(key, RUN.listed) and '1' or '0')
  report('run-merged', run, key)
  local fields = {}
  for field, value in pairs(fieldsOf(key)) do
    fields[#fields + 1], fields[#fields + 2] = field, value
  end
  local listed, seconds = number(key, RUN.listed), (now - number(key, RUN.startedAt)) / 1000
  for _, field in ipairs({
    METRIC.message_count, words(listed),
    METRIC.duration, string.format('%.3f', seconds),
    METRIC.messages_per_second, string.format('%.3f', seconds > 0 and listed / seconds or 0),
    METRIC.timestamp, string.format('%.3f', now / 1000),
  }) do fields[#fields + 1] = field end
  stage(CONTENT, 'XADD', KEYS[run.metrics], 'MAXLEN', '~', LIMIT.metrics, '*', METRIC.run, run.id, unpack(fields))
end

local function settle(run)
  local key, fresh = KEYS[run.key], KEYS[run.fresh]
  prefetch(key, {
    RUN.startedAt, RUN.opened, RUN.merged, RUN.grouped, RUN.next, RUN.listing, RUN.mergedAt, RUN.endedAt, RUN.alerts,
    RUN.releasing, RUN.releases, RUN.releasedAt, RUN.releaseUpTo, unpack(SHOWN),
  })
  prefetch(fresh, countersOf(SHOWN))
  for _, field in ipairs(SHOWN) do
    if get(fresh, counterOf(field)) then put(GUARDS, key, field, number(fresh, counterOf(field))) end
  end
  if not get(key, RUN.startedAt) then return end
  local opened, merged, grouped = number(key, RUN.opened), number(key, RUN.merged), number(key, RUN.grouped)
  local page = get(key, RUN.next)
  local next = page and decoded(page, key)
  -- Listed messages that are not grouped yet are not known, and would not be verified.
  local isEarly = next and next.body.page and next.body.page.verifyThen and grouped < opened
  if next and not isEarly and opened - merged < LIMIT.openWindows then
    drop(key, RUN.next)
    add(run.pages[next.lane], page)
  end
  local listed = get(key, RUN.listing) == LISTING.done
  if listed and merged >= opened then merge(run, key) end
  local waiting = countWaiting(run)
  -- More may be grouped than was opened: a redriven window is grouped again.
  local isDone = listed and grouped >= opened
  if not isDone and get(key, RUN.endedAt) then drop(key, RUN.endedAt) end
  if isDone then
    if waiting > 0 then release(run, key) else finish(run, key) end
  elseif isOverdue(run, key) then
    release(run, key)
  end
end
