-- Part of commit.lua. Inputs whose mailbox was removed, is paused, or is parked for its account.

local of = plan.of
if of then prefetch(KEYS[of.key], { MAILBOX.connectedAt, MAILBOX.since, MAILBOX.activeRun }) end
local isKnown = of and get(KEYS[of.key], MAILBOX.connectedAt)
local since = isKnown and number(KEYS[of.key], MAILBOX.since)

local function reportForMailbox(kind, more)
  local event = { event = kind, run = of.run, mailbox = of.mailbox }
  for field, value in pairs(more) do event[field] = value end
  events[#events + 1] = cjson.encode(event)
end

-- The mailbox was removed after the input was written; a later mailbox of the same name is another.
local function isLeftOver(input)
  if not of then return false end
  return not isKnown or tonumber(string.match(input.entry, '^%d+')) < since
end

-- An entry acknowledged by its only group may be deleted without affecting any lag.
local function dropInput(input)
  stage(AFTER, 'XDEL', KEYS[input.key], input.entry)
  local run = input.begun and plan.runs[input.begun]
  if not isKnown or not run or get(KEYS[of.key], MAILBOX.activeRun) ~= run.id then return end
  -- The run became the active one of a mailbox that it does not belong to.
  stage(OVER, 'DEL', KEYS[run.key])
  -- That run was to serve the events beside it; a run of their own begins instead.
  beginNext(run, #plan.inputs > 1)
end

-- A dead letter is announced before it is written, where its mailbox is known: a repetition looks for it first.
local function deadLetter(dead)
  local letters, text = KEYS[dead.key], ARGV[dead.text]
  local announced = of and MAILBOX.deadLetter .. plan.group .. ':' .. plan.inputs[dead.input].entry
  if announced then
    local after = get(KEYS[of.key], announced)
    if after and isThere(letters, after, function(fields) return fields[2] == text end) then return end
    put(GROUND, KEYS[of.key], announced, after or lastId(letters))
    stage(AFTER, 'HDEL', KEYS[of.key], announced)
  end
  local unread = dead.unread and { LETTER.unread, '1' } or {}
  stage(CONTENT, 'XADD', letters, '*', ENTRY.envelope, text, LETTER.stage, plan.group, LETTER.stream, dead.stream,
    LETTER.kind, dead.kind, LETTER.message, dead.message, LETTER.at, now, unpack(unread))
end

local function park(parked)
  local mailbox, reason = KEYS[of.key], parked.reason
  stage(CONTENT, 'RPUSH', KEYS[parked.list], ARGV[parked.text])
  if get(mailbox, MAILBOX.status) ~= MAILBOX_STATUS.needsReauth then
    reportForMailbox(MAILBOX_STATUS.needsReauth, { reason = reason })
    stage(CONTENT, 'XADD', KEYS[parked.events], 'MAXLEN', '~', LIMIT.mailboxEvents, '*', EVENT.event, MAILBOX_STATUS.needsReauth,
      EVENT.mailbox, of.mailbox, EVENT.at, now, EVENT.reason, reason)
  end
  put(GUARDS, mailbox, MAILBOX.status, MAILBOX_STATUS.needsReauth)
  put(GUARDS, mailbox, MAILBOX.statusReason, reason)
  if not get(mailbox, MAILBOX.parkedAt) then put(GUARDS, mailbox, MAILBOX.parkedAt, now) end
end

local function parkPaused(paused)
  local mailbox, member = KEYS[of.key], ARGV[paused.text]
  local isAnother = paused.oneIsEnough and get(mailbox, MAILBOX.activeRun) ~= paused.run
  if not get(mailbox, MAILBOX.pausedAt) then
    -- The mailbox was resumed meanwhile.
    local cut = string.find(member, '\n', 1, true)
    add(plan.inputs[paused.input].key, string.sub(member, cut + 1))
  elseif not isAnother or not get(mailbox, MAILBOX.parkedEvent) then
    if isAnother then put(GUARDS, mailbox, MAILBOX.parkedEvent, '1') end
    stage(CONTENT, 'RPUSH', KEYS[paused.list], member)
  end
end
