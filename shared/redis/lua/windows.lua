-- Part of commit.lua. Facts about windows. `f` is the fact, `run` its run in the plan, `key` the run's key.
--
-- Beside its counters, a run keeps what it has counted of each window: `window:<name>` is JSON with the fates and `opened`, `merged`,
-- `grouped`. The window itself holds the truth, so repeating a fact counts only what was not counted.

local FATES = LIST.fates

local function accountField(name) return RUN.window .. name end

local function accountOf(key, name)
  local text = get(key, accountField(name))
  return text and decoded(text, key) or {}, text ~= false
end

local function keepAccount(key, name, account)
  put(GUARDS, key, accountField(name), cjson.encode(account))
end

local function prefetchWindow(window, fields)
  for _, field in ipairs({ WINDOW.of, WINDOW.done, WINDOW.context }) do fields[#fields + 1] = field end
  for _, fate in ipairs(FATES) do fields[#fields + 1] = WINDOW.fate .. fate end
  prefetch(window, fields)
end

--@ deferred.lua

-- Brings a run's counters up to date with its window.
local function reconcile(run, key, f, account)
  local window = KEYS[f.window]
  local context, of = get(window, WINDOW.context) == '1', number(window, WINDOW.of)
  if account.aside and not account.opened then returnDeferred(run, key, f, account, context) end
  for _, fate in ipairs(FATES) do
    local counted = number(window, WINDOW.fate .. fate)
    if not context then count(key, fate, counted - (account[fate] or 0)) end
    account[fate] = counted > 0 and counted or nil
  end
  -- A window without its items is lost; its run stalls and is healed.
  if number(window, WINDOW.done) >= of and not account.merged and get(window, WINDOW.items) then
    local items, places = decoded(get(window, WINDOW.items), window), {}
    for place in ipairs(items) do places[place] = words(place - 1) end
    prefetch(window, places)
    for place, item in ipairs(items) do
      items[place] = { id = item[1], thread = item[2], fate = get(window, places[place]) or nil }
    end
    addNew(run.merged, run, run.id .. '/' .. f.name, { window = f.name, context = context, items = items })
    count(key, RUN.merged, 1)
    account.merged = 1
  end
  keepAccount(key, f.name, account)
end

apply['window-opened'] = function(f, run, key)
  local window = KEYS[f.window]
  local account = accountOf(key, f.name)
  -- Its input may come twice, when it was posted twice or its group was lost; a window is opened once.
  if account.opened then
    run.repeated = run.repeated or {}
    run.repeated[f.input] = true
    return
  end
  prefetchWindow(window, { WINDOW.items })
  -- A failed attempt may have listed something else.
  if get(window, WINDOW.of) and get(window, WINDOW.items) ~= ARGV[f.items] then clear(window) end
  put(GROUND, window, WINDOW.of, f.of)
  put(GROUND, window, WINDOW.context, f.context and '1' or '0')
  put(GROUND, window, WINDOW.items, ARGV[f.items])
  stage(GROUND, 'PERSIST', key)
  count(key, RUN.opened, 1)
  count(key, f.context and RUN.context or RUN.listed, f.of)
  account.opened = 1
  reconcile(run, key, f, account)
end

apply['fates-known'] = function(f, run, key)
  local window, places, owns = KEYS[f.window], {}, { accountField(f.name) }
  for place, known in ipairs(f.fates) do
    places[place] = words(known[1])
    owns[place + 1] = accountField(ownOf(f.name, places[place]))
  end
  prefetchWindow(window, places)
  prefetch(key, owns)
  local of, news, counts = get(window, WINDOW.of) and number(window, WINDOW.of), 0, {}
  if not of then return end
  local account, isCounted = accountOf(key, f.name)
  -- An item whose deferral failed midway was not deferred.
  if f.deferred and not account.aside then return end
  for _, known in ipairs(f.fates) do
    local index, fate = words(known[1]), known[2]
    if get(key, accountField(ownOf(f.name, index))) then fate = FATE.deferred end
    -- A slice may belong to another window than it says.
    if known[1] < of and not get(window, index) then
      if known[3] then placeInThread(window, known[1], known[3]) end
      put(GROUND, window, index, fate)
      counts[fate] = (counts[fate] or 0) + 1
      news = news + 1
    end
  end
  for fate, more in pairs(counts) do put(GROUND, window, WINDOW.fate .. fate, number(window, WINDOW.fate .. fate) + more) end
  if news == 0 and not isCounted then return end
  put(GROUND, window, WINDOW.done, number(window, WINDOW.done) + news)
  reconcile(run, key, f, account)
end

-- Omits messages that a later page has reported as gone.
local function stillThere(run, window, ids)
  local page = tonumber(window)
  if #ids == 0 or not page then return ids end
  local there = {}
  for _, id in ipairs(ids) do
    local gone = get(KEYS[run.fresh], FRESH.gone .. id)
    if not gone or tonumber(gone) < page then there[#there + 1] = id end
  end
  return there
end

local function fieldsRead(f)
  local fields = {}
  for _, thread in ipairs(f.threads) do
    local id = thread.id
    fields[#fields + 1], fields[#fields + 2], fields[#fields + 3] = id, FRESH.out .. id, FRESH.changed .. id
    for _, one in ipairs(thread.fresh) do fields[#fields + 1] = FRESH.gone .. one end
  end
  return fields
end

apply['window-grouped'] = function(f, run, key)
  local account, isCounted = accountOf(key, f.name)
  -- `grouped` in the window itself was written by an earlier version.
  if account.grouped or not isCounted and get(KEYS[f.window], WINDOW.grouped) then return end
  if not isMerged(KEYS[f.window], f) then return refuseWindow(run, f.name) end
  prefetch(KEYS[run.fresh], fieldsRead(f))
  -- All messages known at the change are suspects, and so are listed ones that become known only now.
  local page, suspiciousSince = tonumber(f.name), tonumber(get(KEYS[run.suspects], SUSPECT.listed) or nil)
  local isSuspicious = page and suspiciousSince and page < suspiciousSince
  for _, thread in ipairs(f.threads) do
    local known = KEYS[thread.key]
    local there = stillThere(run, f.name, thread.fresh)
    if #there > 0 then
      for _, id in ipairs(there) do
        if isSuspicious then put(GROUND, KEYS[run.suspects], id, thread.id) end
        put(GROUND, known, THREAD.id .. id, thread.dates[id] or get(known, THREAD.id .. id) or '1')
        put(GROUND, KEYS[run.threadsOf], thread.digests[id], thread.id)
      end
      grow(run, thread.id, thread.key, there)
    end
    for _, gone in ipairs(thread.gone) do
      -- An earlier page may list it and be grouped later than this.
      if f.verified then put(MARKS, KEYS[run.fresh], FRESH.gone .. gone[1], f.verified) end
      removeFromThread(run, key, thread.id, thread.key, gone)
    end
  end
  account.grouped = 1
  keepAccount(key, f.name, account)
  count(key, RUN.grouped, 1)
  stage(LEAVING, 'EXPIRE', KEYS[f.window], LIFETIME.groupedWindow)
end
