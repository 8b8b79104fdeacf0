-- Part of commit.lua. What a run's counters make due: its next page, its metrics, its threads' release, its end. Each once.

local function report(kind, run, key)
  local event = { event = kind, run = run.id }
  local fields = redis.call('HGETALL', key)
  for at = 1, #fields, 2 do event[fields[at]] = fields[at + 1] end
  events[#events + 1] = cjson.encode(event)
end

local function release(run, key)
  if redis.call('HGET', key, 'releasing') == '1' then return end
  redis.call('HSET', key, 'releasing', '1', 'releasedAt', plan.now)
  local count = redis.call('HINCRBY', key, 'releases', 1)
  addNew(run.merged, run, run.id .. '/release/' .. count, { window = 'release', release = true })
end

-- The envelope of a delayed entry, which follows its stream's key and a line feed.
local function envelopeIn(member)
  return string.sub(member, string.find(member, '\n', 1, true) + 1)
end

-- What came in while a run was under way is looked for by the next, which is told what was named. It answers a look that waited as well.
local function beginNext(run)
  local mailbox, text = KEYS[run.mailbox], ARGV[run.again]
  local lookWaits = redis.call('HDEL', mailbox, 'lookAfterRun') == 1
  if redis.call('HDEL', mailbox, 'dirty') == 0 then
    if lookWaits then add(run.pages.live, envelopeIn(redis.call('HGET', mailbox, 'look'))) end
    return
  end
  local created = redis.call('HGET', mailbox, 'created')
  if created then
    local envelope = cjson.decode(text)
    envelope.body.created = cjson.decode(created)
    text = cjson.encode(envelope)
    redis.call('HDEL', mailbox, 'created')
  end
  add(run.pages.live, text)
end

local function finish(run, key)
  if redis.call('HEXISTS', key, 'endedAt') == 1 then return end
  redis.call('HSET', key, 'endedAt', plan.now)
  redis.call('HSETNX', key, 'status', 'done')
  -- Only what is over may be forgotten.
  redis.call('EXPIRE', key, plan.limits.keepSeconds)
  redis.call('EXPIRE', KEYS[run.fresh], plan.limits.keepSeconds)
  redis.call('DEL', KEYS[run.suspects])
  report('run-ended', run, key)
  local mailbox = KEYS[run.mailbox]
  if redis.call('HGET', mailbox, 'activeRun') ~= run.id then return end
  redis.call('HDEL', mailbox, 'activeRun')
  beginNext(run)
end

-- Whether a run that goes on for long lets out what it has by now: every so long, and then all that was met until then.
local function isOverdue(run, key)
  local first = redis.call('ZRANGE', KEYS[run.threads], 0, 0, 'WITHSCORES')[2]
  if not first then return false end
  if plan.now - number(key, 'releasedAt') >= plan.limits.longRunMs then redis.call('HSET', key, 'releaseUpTo', plan.now) end
  return tonumber(first) <= number(key, 'releaseUpTo')
end

local function settle(run)
  local key = KEYS[run.key]
  if redis.call('HEXISTS', key, 'startedAt') == 0 then return end
  local opened, merged, grouped = number(key, 'opened'), number(key, 'merged'), number(key, 'grouped')
  local page = redis.call('HGET', key, 'next')
  local next = page and cjson.decode(page)
  -- What was listed and is not grouped yet is not known, and nobody would verify it.
  local isEarly = next and next.body.page and next.body.page.verifyThen and grouped < opened
  if next and not isEarly and opened - merged < plan.limits.openWindows then
    redis.call('HDEL', key, 'next')
    add(run.pages[next.lane], page)
  end
  local listed = redis.call('HGET', key, 'listing') == 'done'
  if listed and merged >= opened and redis.call('HSETNX', key, 'mergedAt', plan.now) == 1 then
    local sum = 0
    for _, fate in ipairs({ 'cached', 'fetched', 'gone', 'filtered', 'dead' }) do sum = sum + number(key, fate) end
    redis.call('HSET', key, 'addsUp', sum == number(key, 'listed') and '1' or '0')
    report('run-merged', run, key)
    local fields = redis.call('HGETALL', key)
    redis.call('XADD', KEYS[run.metrics], 'MAXLEN', '~', 1000, '*', 'run', run.id, unpack(fields))
  end
  local waiting = redis.call('ZCARD', KEYS[run.threads])
  -- More may be grouped than was opened: a redriven window is grouped again.
  if listed and grouped >= opened then
    if waiting > 0 then release(run, key) else finish(run, key) end
  elseif isOverdue(run, key) then
    release(run, key)
  end
end
